/* Which backends there are, and which is in use. */
#include <string.h>

#include "sha256_backend.h"

static const struct sha256_backend *const BACKENDS[] = {
#ifdef HAVE_SHA_NI
    &sha256_sha_ni,
#endif
#ifdef HAVE_ARMV8
    &sha256_armv8,
#endif
    &sha256_portable,
};

enum { BACKEND_COUNT = sizeof BACKENDS / sizeof BACKENDS[0] };

_Atomic(const struct sha256_backend *) sha256_active = &sha256_portable;

const char *sha256_backend_name(size_t index)
{
    for (size_t i = 0; i < BACKEND_COUNT; i++) {
        if (BACKENDS[i]->usable() && index-- == 0)
            return BACKENDS[i]->name;
    }
    return NULL;
}

const char *sha256_backend(void)
{
    return atomic_load_explicit(&sha256_active, memory_order_relaxed)->name;
}

bool sha256_set_backend(const char *name)
{
    for (size_t i = 0; i < BACKEND_COUNT; i++) {
        if (strcmp(BACKENDS[i]->name, name) == 0 && BACKENDS[i]->usable()) {
            atomic_store_explicit(&sha256_active, BACKENDS[i], memory_order_relaxed);
            return true;
        }
    }
    return false;
}
