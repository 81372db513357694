/* The program of the daemons that are measured: says when it began, and waits.
 *
 * It prints a line with CLOCK_MONOTONIC in nanoseconds, in one write.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	char line[32];
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	int length = snprintf(line, sizeof line, "%lld\n", time.tv_sec * 1000000000LL + time.tv_nsec);
	if (write(1, line, length) != length)
		return 1;
	for (;;)
		pause();
}
