#include "launcher/stacks.h"

#include <string.h>

const struct stack stacks[] = {
    {"libssl.so", "OpenSSL", true},
    {"libssl-", "OpenSSL", true}, /* as Python wheels rename the copy that they bring along */
    {"libgnutls.so", "GnuTLS", true},
    {"libssl3.so", "NSS", false},
    {"libmbedtls.so", "Mbed TLS", false},
    {"libwolfssl.so", "wolfSSL", false},
    {"librustls.so", "rustls", false},
    {"libs2n.so", "s2n-tls", false},
    {"libjvm.so", "Java (JSSE)", false},
};

const size_t stack_count = sizeof(stacks) / sizeof(stacks[0]);

stack_set stack_of(const char *file_name)
{
    for (size_t i = 0; i < stack_count; i++) {
        if (strncmp(file_name, stacks[i].prefix, strlen(stacks[i].prefix)) == 0)
            return 1U << i;
    }
    return 0;
}

stack_set stack_hooked(stack_set set)
{
    stack_set hooked = 0;

    for (size_t i = 0; i < stack_count; i++) {
        if (stacks[i].hooked)
            hooked |= 1U << i;
    }
    return set & hooked;
}
