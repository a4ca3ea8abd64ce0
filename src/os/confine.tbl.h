/* os/confine.tbl.h - kernel calls: ALLOW(name) those that a worker may make, KILL(name) those that
 * only an intruder would make. What is in neither answers ENOSYS; a few are judged by their
 * arguments in confine_calls.c. */
/* files */
ALLOW(access) ALLOW(chmod) ALLOW(close) ALLOW(close_range) ALLOW(copy_file_range) ALLOW(dup)
ALLOW(dup2) ALLOW(dup3) ALLOW(faccessat) ALLOW(faccessat2) ALLOW(fadvise64) ALLOW(fallocate)
ALLOW(fchmod) ALLOW(fcntl) ALLOW(fdatasync) ALLOW(flock) ALLOW(fstat) ALLOW(fstatfs) ALLOW(fsync)
ALLOW(ftruncate) ALLOW(getcwd) ALLOW(getdents) ALLOW(getdents64) ALLOW(link) ALLOW(linkat)
ALLOW(lseek) ALLOW(lstat) ALLOW(memfd_create) ALLOW(mkdir) ALLOW(mkdirat) ALLOW(newfstatat)
ALLOW(open) ALLOW(openat) ALLOW(openat2) ALLOW(pread64) ALLOW(preadv) ALLOW(preadv2)
ALLOW(pwrite64) ALLOW(pwritev) ALLOW(pwritev2) ALLOW(read) ALLOW(readahead) ALLOW(readlink)
ALLOW(readlinkat) ALLOW(readv) ALLOW(rename) ALLOW(renameat) ALLOW(renameat2) ALLOW(rmdir)
ALLOW(sendfile) ALLOW(splice) ALLOW(stat) ALLOW(statfs) ALLOW(statx) ALLOW(symlink)
ALLOW(symlinkat) ALLOW(sync_file_range) ALLOW(syncfs) ALLOW(truncate) ALLOW(umask) ALLOW(unlink)
ALLOW(unlinkat) ALLOW(utimensat) ALLOW(write) ALLOW(writev) ALLOW(inotify_init1)
ALLOW(inotify_add_watch) ALLOW(inotify_rm_watch)
/* memory (mmap, mprotect: not executable) */
ALLOW(brk) ALLOW(madvise) ALLOW(mincore) ALLOW(mlock) ALLOW(mlock2) ALLOW(mremap) ALLOW(msync)
ALLOW(munlock) ALLOW(munmap) ALLOW(membarrier) ALLOW(get_mempolicy)
/* threads (clone: threads only) and time */
ALLOW(arch_prctl) ALLOW(exit) ALLOW(exit_group) ALLOW(futex) ALLOW(futex_waitv)
ALLOW(get_robust_list) ALLOW(set_robust_list) ALLOW(rseq) ALLOW(set_tid_address) ALLOW(gettid)
ALLOW(sched_yield) ALLOW(sched_getaffinity) ALLOW(sched_setaffinity) ALLOW(sched_getparam)
ALLOW(sched_getscheduler) ALLOW(sched_setscheduler) ALLOW(sched_getattr) ALLOW(sched_setattr)
ALLOW(sched_get_priority_max) ALLOW(sched_get_priority_min) ALLOW(getpriority) ALLOW(setpriority)
ALLOW(ioprio_get) ALLOW(ioprio_set) ALLOW(getcpu) ALLOW(restart_syscall) ALLOW(nanosleep)
ALLOW(clock_nanosleep) ALLOW(clock_gettime) ALLOW(clock_getres) ALLOW(gettimeofday) ALLOW(time)
ALLOW(adjtimex) ALLOW(clock_adjtime) ALLOW(timerfd_create) ALLOW(timerfd_settime)
ALLOW(timerfd_gettime)
/* signals (tgkill: to this process only) */
ALLOW(rt_sigaction) ALLOW(rt_sigpending) ALLOW(rt_sigprocmask) ALLOW(rt_sigreturn)
ALLOW(rt_sigsuspend) ALLOW(rt_sigtimedwait) ALLOW(sigaltstack) ALLOW(signalfd4) ALLOW(pause)
/* waiting */
ALLOW(epoll_create) ALLOW(epoll_create1) ALLOW(epoll_ctl) ALLOW(epoll_pwait) ALLOW(epoll_pwait2)
ALLOW(epoll_wait) ALLOW(eventfd2) ALLOW(pipe) ALLOW(pipe2) ALLOW(poll) ALLOW(ppoll)
ALLOW(pselect6) ALLOW(select)
/* sockets (socket: Unix, IPv4, IPv6, netlink) */
ALLOW(accept) ALLOW(accept4) ALLOW(bind) ALLOW(connect) ALLOW(getpeername) ALLOW(getsockname)
ALLOW(getsockopt) ALLOW(listen) ALLOW(recvfrom) ALLOW(recvmmsg) ALLOW(recvmsg) ALLOW(sendmmsg)
ALLOW(sendmsg) ALLOW(sendto) ALLOW(setsockopt) ALLOW(shutdown) ALLOW(socketpair)
/* who and what we are */
ALLOW(getegid) ALLOW(geteuid) ALLOW(getgid) ALLOW(getgroups) ALLOW(getpgid) ALLOW(getpgrp)
ALLOW(getpid) ALLOW(getppid) ALLOW(getresgid) ALLOW(getresuid) ALLOW(getrlimit) ALLOW(getrusage)
ALLOW(getsid) ALLOW(getuid) ALLOW(getrandom) ALLOW(capget) ALLOW(sysinfo) ALLOW(times) ALLOW(uname)

KILL(execve) KILL(execveat) KILL(fork) KILL(vfork) KILL(ptrace) KILL(process_vm_readv)
KILL(process_vm_writev) KILL(kexec_load) KILL(kexec_file_load) KILL(init_module)
KILL(finit_module) KILL(delete_module) KILL(mount) KILL(umount2) KILL(move_mount) KILL(pivot_root)
KILL(chroot) KILL(setns) KILL(unshare) KILL(reboot) KILL(swapon) KILL(swapoff) KILL(setuid)
KILL(setgid) KILL(setreuid) KILL(setregid) KILL(setresuid) KILL(setresgid) KILL(bpf)
KILL(userfaultfd) KILL(keyctl) KILL(add_key) KILL(request_key) KILL(acct) KILL(settimeofday)
KILL(clock_settime) KILL(sethostname) KILL(setdomainname) KILL(personality)
KILL(open_by_handle_at) KILL(quotactl)
