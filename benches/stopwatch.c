/* Runs commands in turn and tells how long each run took.
 *
 *   stopwatch ROUNDS COMMAND... [-- COMMAND...]...
 *
 * For each run it prints a line: the command's number, from just before its vfork to
 * its end in nanoseconds, its processor time and that of what it waited for in
 * microseconds, and its wait status. Their standard input and output are /dev/null.
 * The order changes from round to round, so that
 * no command always follows the same one.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 64

static FILE *output;

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long microseconds(struct timeval time)
{
	return time.tv_sec * 1000000LL + time.tv_usec;
}

static void run(int number, char **command)
{
	int status;
	struct rusage used;
	long long began = now();
	pid_t pid = vfork();
	if (pid == 0) {
		execv(command[0], command);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) < 0)
		err(1, "%s", command[0]);
	long long took = now() - began;
	fprintf(output, "%d %lld %lld %d\n", number, took, microseconds(used.ru_utime) + microseconds(used.ru_stime), status);
	fflush(output);
}

int main(int argc, char **argv)
{
	char **commands[MOST];
	int count = 0, rounds = argc > 2 ? atoi(argv[1]) : 0;
	if (rounds < 1)
		errx(2, "see the head of stopwatch.c");
	commands[count++] = argv + 2;
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], "--") == 0 && count < MOST) {
			argv[i] = NULL;
			commands[count++] = argv + i + 1;
		}
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	output = fdopen(fcntl(1, F_DUPFD_CLOEXEC, 3), "w");
	if (null < 0 || !output || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		err(1, "/dev/null");
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < count; i++) {
			int number = (round % 2 ? count - 1 - i + round : i + round) % count;
			run(number, commands[number]);
		}
	return 0;
}
