#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "command/command.h"

int main(int argc, char **argv)
{
    /* A socket that became descriptor 2 would be written to by every log line. */
    int fd = open("/dev/null", O_RDWR);

    while (fd >= 0 && fd <= 2)
        fd = dup(fd);
    if (fd > 2)
        close(fd);
    (void)signal(SIGPIPE, SIG_IGN);
    return command_main(argc, argv);
}
