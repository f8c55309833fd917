package lambda

import (
	"syscall"
	"unsafe"
)

// attributes gives each process a group of its own, so that all it starts dies with it, and has the kernel kill it when
// this process is gone, however it went. (To the kernel the parent is the thread that forked; Go ends a thread only
// under a goroutine that dies locked to it.)
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// Arguments of waitid(2) that package syscall does not have.
const (
	idIsPID  = 1          // P_PID
	stopped  = 0x2        // WSTOPPED
	exited   = 0x4        // WEXITED
	onlyLook = 0x01000000 // WNOWAIT: os/exec still wants to see it
)

// awaitStopped returns when the process has stopped, or ended. A signal only asks: until it is taken, a process that is
// just then handed an event may still answer it.
func awaitStopped(pid int) {
	var info [128]byte // siginfo_t
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, idIsPID, uintptr(pid), uintptr(unsafe.Pointer(&info)), stopped|exited|onlyLook, 0, 0)
		if errno != syscall.EINTR {
			return
		}
	}
}
