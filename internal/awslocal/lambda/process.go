package lambda

import "syscall"

// killGroup kills a process and all of its group. There is nobody to tell when they have gone already.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// stopGroup stops them without their leave: they keep their memory and do nothing more.
func stopGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGSTOP)
	awaitStopped(pid)
}
