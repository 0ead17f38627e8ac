#include "launcher/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

void options_complain(const char *who, int answer, char *const *argv)
{
    const char *word = argv[optind - 1];
    const char *problem = "is not known";
    char letter[] = {'-', (char)optopt, '\0'};

    if (answer == ':')
        problem = "needs a value";
    else if (strncmp(word, "--", 2) == 0 && optopt != 0)
        problem = "takes no value"; /* a known long option: optopt is what it stands for */
    else if (strncmp(word, "--", 2) != 0)
        word = letter; /* a letter among others, getopt(3) may still be at their word */
    fprintf(stderr, "%s: option '%s' %s; see shakeout --help\n", who, word, problem);
}
