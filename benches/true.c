/* A static program that only exits. */
int main(void)
{
	return 0;
}
