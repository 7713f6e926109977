#include <stdio.h>

int main(void)
{
    puts("antiphon " ANTIPHON_VERSION);
    return 0;
}
