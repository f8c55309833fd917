//go:build !linux

package lambda

import "syscall"

// attributes gives each process a group of its own, so that all it starts dies with it. When this process is killed, a
// function finds its Runtime API gone and exits.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// awaitStopped does nothing: the fault may come a moment late.
func awaitStopped(int) {}
