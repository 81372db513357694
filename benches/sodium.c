/* Nanoseconds to seal, and to open, one secret of 64 bytes with libsodium. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ROUNDS 2000
#define LENGTH 64

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

int main(void)
{
	unsigned char public[crypto_box_PUBLICKEYBYTES], private[crypto_box_SECRETKEYBYTES];
	unsigned char secret[LENGTH], sealed[LENGTH + crypto_box_SEALBYTES];
	if (sodium_init() < 0)
		return 1;
	crypto_box_keypair(public, private);
	memset(secret, 's', sizeof secret);
	double began = now();
	for (int i = 0; i < ROUNDS; i++)
		if (crypto_box_seal(sealed, secret, sizeof secret, public))
			return 1;
	double between = now();
	for (int i = 0; i < ROUNDS; i++)
		if (crypto_box_seal_open(secret, sealed, sizeof sealed, public, private))
			return 1;
	printf("%.0f %.0f\n", (between - began) / ROUNDS, (now() - between) / ROUNDS);
	return 0;
}
