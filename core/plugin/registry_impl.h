/* registry_impl - what the files registry*.c share. Not for anybody else. */
#ifndef PLUGIN_REGISTRY_IMPL_H
#define PLUGIN_REGISTRY_IMPL_H
#include <pthread.h>
#include <stdatomic.h>

#include "plugin/host.h"

struct loaded {
    struct antiphon_plugin plugin; /* its texts live in the library, which is never unloaded */
    struct host *host;             /* owned */
    struct manifest *manifest;     /* owned; NULL: it has none */
    struct secrets *secrets;       /* owned */
    void *state;                   /* the plugin's */
    bool apart;                    /* of registry_add() */
    bool retired;                  /* a newer one of that name has taken its place */
    atomic_uint users;             /* holds of its tools */
};

struct registry {
    struct host_services services;
    struct loaded plugins[REGISTRY_MAX_PLUGINS];
    /* Full-size from the start, so that what a lookup answered stays in its place. */
    struct registry_tool tools[REGISTRY_MAX_TOOLS];
    struct registry_model models[REGISTRY_MAX_MODELS];
    struct registry_hook hooks[REGISTRY_MAX_HOOKS];
    size_t n_plugins, n_tools;
    atomic_size_t n_models, n_hooks; /* looked at with every sentence: without the lock */
    pthread_mutex_t lock; /* over the other numbers and what is retired: look-ups come from any thread */
};

static inline void registry_lock(const struct registry *registry)
{
    pthread_mutex_lock(&((struct registry *)(uintptr_t)registry)->lock);
}

static inline void registry_unlock(const struct registry *registry)
{
    pthread_mutex_unlock(&((struct registry *)(uintptr_t)registry)->lock);
}
#endif
