/* clock_gettime(2), with a wall clock that is a year behind once the file
 * named by CLOCK_SET_BACK is there; to be preloaded. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *time)
{
	int result = syscall(SYS_clock_gettime, id, time);
	const char *file = getenv("CLOCK_SET_BACK");
	if (result == 0 && id == CLOCK_REALTIME && file && access(file, F_OK) == 0)
		time->tv_sec -= 365 * 24 * 60 * 60;
	return result;
}
