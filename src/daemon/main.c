/* daemon/main.c - the executable's beginning; everything else is in the library. */
#include "daemon/command.h"

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
