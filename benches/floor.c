/* The floor: what a container costs if nothing is done but what must be.
 *
 * It makes the same two processes as lithos (an init, and the program in a user
 * namespace below it), with the same clone flags, mounts, masks, id maps and cgroups,
 * and waits. It reads no config, checks nothing, opens no secret, keeps no record,
 * restricts no system call and tells nothing: less is not possible, only wrong.
 *
 *   floor [-n COUNT] [-o LOG] [-g DIR:FILE=VALUE,...]... IMAGE MOUNT_DIR PROGRAM
 *
 * -n  so many containers at once, as the supervisor has; it ends when they have
 * -o  append the programs' output to LOG
 * -g  a cgroup hierarchy's directory, in which each container gets a cgroup of its
 *     own with these limits
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(call) ({ long it = (long)(call); if (it < 0) err(125, "%s", #call); it; })
#define STRICT (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static const char *const readonly[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger", NULL};
static const char *const masked[] = {"proc/acpi", "proc/asound", "proc/interrupts", "proc/kcore", "proc/keys",
	"proc/latency_stats", "proc/sched_debug", "proc/scsi", "proc/timer_list", "proc/timer_stats",
	"sys/firmware", "sys/devices/virtual/powercap", NULL};
static const struct { const char *path; int major, minor; } devices[] = {{"dev/null", 1, 3}, {"dev/zero", 1, 5},
	{"dev/full", 1, 7}, {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}, {NULL, 0, 0}};
static const char *const links[][2] = {{"dev/ptmx", "pts/ptmx"}, {"dev/fd", "/proc/self/fd"},
	{"dev/stdin", "/proc/self/fd/0"}, {"dev/stdout", "/proc/self/fd/1"}, {"dev/stderr", "/proc/self/fd/2"}, {NULL}};

static struct { char *dir, *limits; int made; } groups[12];
static int group_count;

/* A fork, into new namespaces. */
static pid_t make(unsigned long flags)
{
	struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
	return MUST(syscall(SYS_clone3, &args, sizeof args));
}

/* Part of a mount, as a mount of its own; a path that is not there is left out. */
static void bind(int at, const char *path, const char *target, int attributes)
{
	struct mount_attr wanted = {.attr_set = attributes};
	int tree = syscall(SYS_open_tree, at, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return;
	MUST(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &wanted, sizeof wanted));
	MUST(syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH));
	close(tree);
}

static void mount_devices(void)
{
	MUST(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "size=64k,nr_inodes=64,mode=0755"));
	for (int i = 0; devices[i].path; i++)
		MUST(mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)));
	for (int i = 0; links[i][0]; i++)
		MUST(symlink(links[i][1], links[i][0]));
	MUST(mkdir("dev/pts", 0755));
	MUST(mkdir("dev/shm", 0755));
	MUST(mount(NULL, "dev", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NOEXEC | MS_RDONLY, NULL));
	MUST(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
	MUST(mount("tmpfs", "dev/shm", "tmpfs", STRICT, "size=64m,mode=1777"));
}

static void mount_cgroups(void)
{
	int attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	if (group_count == 1)
		bind(groups[0].made, "", "sys/fs/cgroup", attributes);
	if (group_count < 2)
		return;
	MUST(mount("tmpfs", "sys/fs/cgroup", "tmpfs", STRICT, "size=64k,nr_inodes=64,mode=0755"));
	for (int i = 0; i < group_count; i++) {
		char name[] = "sys/fs/cgroup/?";
		*strchr(name, '?') = 'a' + i;
		MUST(mkdir(name, 0755));
		bind(groups[i].made, "", name, attributes);
	}
	MUST(mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | STRICT | MS_RDONLY, NULL));
}

static void build(const char *image, const char *mount_dir)
{
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	MUST(mount("tmpfs", mount_dir, "tmpfs", STRICT, "size=16m,nr_inodes=16k,mode=0755"));
	int own = MUST(open(mount_dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	MUST(mkdirat(own, "empty-directory", 0755));
	close(MUST(openat(own, "empty-file", O_CREAT | O_RDONLY | O_CLOEXEC, 0444)));
	bind(AT_FDCWD, image, mount_dir, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY);
	MUST(chdir(mount_dir));
	MUST(mount("proc", "proc", "proc", STRICT, NULL));
	MUST(mount("sysfs", "sys", "sysfs", STRICT | MS_RDONLY, NULL));
	for (int i = 0; readonly[i]; i++)
		bind(AT_FDCWD, readonly[i], readonly[i], MOUNT_ATTR_RDONLY);
	struct stat found;
	for (int i = 0; masked[i]; i++)
		if (!stat(masked[i], &found))
			bind(own, S_ISDIR(found.st_mode) ? "empty-directory" : "empty-file", masked[i], MOUNT_ATTR_RDONLY);
	mount_cgroups();
	mount_devices();
	MUST(syscall(SYS_pivot_root, ".", "."));
	MUST(umount2(".", MNT_DETACH));
	MUST(chdir("/"));
}

static void put(int at, const char *file, const char *text)
{
	int fd = MUST(openat(at, file, O_WRONLY | O_CLOEXEC));
	MUST(write(fd, text, strlen(text)));
	close(fd);
}

static void make_group(int i, const char *name)
{
	int parent = MUST(open(groups[i].dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	MUST(mkdirat(parent, name, 0755));
	groups[i].made = MUST(openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC));
	char *value, *rest = groups[i].limits;
	for (char *file; (file = strsep(&rest, ",")); put(groups[i].made, file, value))
		(value = strchr(file, '='))[0] = 0, value++;
}

/* The init: builds the container, starts the program, ends as it does. */
static void contain(char **what, const char *name)
{
	int go[2], status;
	char pid[16], path[64];
	MUST(setsid());
	MUST(sethostname(name, strlen(name)));
	for (int i = 0; i < group_count; i++)
		make_group(i, name);
	build(what[0], what[1]);
	MUST(pipe2(go, O_CLOEXEC));
	pid_t child = make(CLONE_NEWUSER);
	if (!child) {
		close(go[1]);
		MUST(read(go[0], pid, 1));
		/* By itself and as a thread: nobody waits for whoever is being made or ends meanwhile. */
		for (int i = 0; i < group_count; i++)
			put(groups[i].made, group_count == 1 ? "cgroup.procs" : "tasks", "0");
		MUST(setsid());
		MUST(unshare(CLONE_NEWCGROUP));
		MUST(setgroups(0, NULL));
		MUST(setresgid(1000, 1000, 1000));
		MUST(setresuid(1000, 1000, 1000));
		MUST(execve(what[2], (char *[]){what[2], NULL}, (char *[]){NULL}));
	}
	snprintf(pid, sizeof pid, "%d", child);
	snprintf(path, sizeof path, "/proc/%d/uid_map", child);
	put(AT_FDCWD, path, "0 0 4294967295\n");
	snprintf(path, sizeof path, "/proc/%d/gid_map", child);
	put(AT_FDCWD, path, "0 0 4294967295\n");
	MUST(write(go[1], "!", 1));
	MUST(waitpid(child, &status, 0));
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int main(int argc, char **argv)
{
	int option, count = 1, status, worst = 0;
	char name[32], path[4096];
	while ((option = getopt(argc, argv, "+n:o:g:")) != -1) {
		if (option == 'n')
			count = atoi(optarg);
		else if (option == 'o')
			MUST(dup2(dup2(MUST(open(optarg, O_WRONLY | O_APPEND | O_CREAT, 0644)), 1), 2));
		else if (option == 'g' && group_count < 12)
			groups[group_count++].dir = strsep(&optarg, ":"), groups[group_count - 1].limits = optarg;
		else
			errx(2, "see the head of floor.c");
	}
	if (argc - optind != 3)
		errx(2, "see the head of floor.c");
	for (int i = 0; i < count; i++)
		if (snprintf(name, sizeof name, "%d.%d", getpid(), i), !make(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS))
			contain(argv + optind, name);
	while (wait(&status) > 0)
		worst |= WIFEXITED(status) ? WEXITSTATUS(status) : 125;
	for (int i = 0; i < count * group_count; i++) {
		snprintf(path, sizeof path, "%s/%d.%d", groups[i % group_count].dir, getpid(), i / group_count);
		rmdir(path);
	}
	return worst;
}
