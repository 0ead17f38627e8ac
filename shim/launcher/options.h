/*
 * What is wrong with an option, in one line that also says where the right ones stand: getopt(3)'s
 * own messages do not.
 *
 * Main thread of the launcher only.
 */
#ifndef SHAKEOUT_LAUNCHER_OPTIONS_H
#define SHAKEOUT_LAUNCHER_OPTIONS_H

/* After getopt_long(3) answered '?' or ':' for this argv (with opterr zero and an optstring that
   has ':' in front): the complaint to stderr. who begins it: "shakeout". */
void options_complain(const char *who, int answer, char *const *argv);

#endif
