/* The Python face of a share_job (share_hash.h). Included by module.c and the glue in it alone. */
#ifndef POOLSERVER_JOB_GLUE_H
#define POOLSERVER_JOB_GLUE_H

#include <Python.h>

#include <string.h>

#include "arguments.h"
#include "share_hash.h"

typedef struct {
    PyObject_HEAD
    struct share_job job;
    uint8_t *coinb2; /* owned; what job.coinb2 points to */
} JobHasher;

static int set_coinbase(JobHasher *self, PyObject *coinb1, PyObject *coinb2)
{
    struct bytes_view head, tail;

    if (get_bytes(coinb1, "coinb1", &head) < 0 || get_bytes(coinb2, "coinb2", &tail) < 0)
        return -1;
    sha256_stream_init(&self->job.after_coinb1);
    sha256_stream_update(&self->job.after_coinb1, head.data, (size_t)head.size);
    self->coinb2 = PyMem_Malloc((size_t)tail.size);
    if (self->coinb2 == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(self->coinb2, tail.data, (size_t)tail.size);
    self->job.coinb2 = self->coinb2;
    self->job.coinb2_size = (size_t)tail.size;
    return 0;
}

static int set_branch_item(struct share_job *job, Py_ssize_t index, PyObject *item)
{
    char name[40];
    const uint8_t *hash;

    PyOS_snprintf(name, sizeof name, "merkle_branch[%d]", (int)index);
    if ((hash = get_sized(item, name, SHA256_DIGEST_SIZE)) == NULL)
        return -1;
    sha256_digest_words(job->branch[index], hash);
    return 0;
}

static int set_branch(struct share_job *job, PyObject *branch)
{
    if (!PyTuple_Check(branch) && !PyList_Check(branch))
        return wrong_type("merkle_branch", "a tuple or list", branch);

    PyObject *items = PySequence_Tuple(branch); /* a list could change under our hands */
    if (items == NULL)
        return -1;

    Py_ssize_t count = PyTuple_Size(items);
    int status = 0;
    if (count > MERKLE_BRANCH_MAX) {
        PyErr_Format(PyExc_ValueError, "merkle_branch must have at most %d items, has %zd",
                     MERKLE_BRANCH_MAX, count);
        status = -1;
    }
    for (Py_ssize_t i = 0; status == 0 && i < count; i++)
        status = set_branch_item(job, i, PyTuple_GetItem(items, i));
    job->branch_count = (size_t)count;
    Py_DECREF(items);
    return status;
}

static int set_header(struct share_job *job, PyObject *prevhash_le, PyObject *nbits,
                      PyObject *network_target_le)
{
    const uint8_t *prevhash, *target;

    if ((prevhash = get_sized(prevhash_le, "prevhash_le", SHA256_DIGEST_SIZE)) == NULL)
        return -1;
    if (get_uint32(nbits, "nbits", &job->nbits) < 0)
        return -1;
    if ((target = get_sized(network_target_le, "network_target_le", SHA256_DIGEST_SIZE)) == NULL)
        return -1;
    sha256_digest_words(job->prevhash, prevhash);
    memcpy(job->network_target_le, target, SHA256_DIGEST_SIZE);
    return 0;
}

/* All is done here and nothing in __init__, so that calling that again changes nothing. */
static PyObject *JobHasher_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"coinb1", "coinb2", "merkle_branch", "prevhash_le", "nbits",
                               "network_target_le", NULL};
    PyObject *coinb1, *coinb2, *branch, *prevhash_le, *nbits, *network_target_le;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOOO:JobHasher", keywords, &coinb1, &coinb2,
                                     &branch, &prevhash_le, &nbits, &network_target_le))
        return NULL;

    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    JobHasher *self = (JobHasher *)allocate(type, 0); /* zeroed */
    if (self == NULL)
        return NULL;
    if (set_coinbase(self, coinb1, coinb2) < 0 || set_branch(&self->job, branch) < 0 ||
        set_header(&self->job, prevhash_le, nbits, network_target_le) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void JobHasher_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    PyMem_Free(((JobHasher *)object)->coinb2);
    release(object);
    Py_DECREF(type); /* an instance of a heap type owns a reference to it */
}

static int get_share(PyObject *const *args, struct share *share)
{
    struct bytes_view extranonce;

    if (get_bytes(args[0], "extranonce", &extranonce) < 0)
        return -1;
    if (extranonce.size < 1 || extranonce.size > EXTRANONCE_MAX) {
        PyErr_Format(PyExc_ValueError, "extranonce must be 1..%d bytes, is %zd", EXTRANONCE_MAX,
                     extranonce.size);
        return -1;
    }
    share->extranonce = extranonce.data;
    share->extranonce_size = (size_t)extranonce.size;
    if (get_uint32(args[1], "version", &share->version) < 0 ||
        get_uint32(args[2], "ntime", &share->ntime) < 0)
        return -1;
    return get_uint32(args[3], "nonce", &share->nonce);
}

PyDoc_STRVAR(JobHasher_check_doc,
             "check($self, extranonce, version, ntime, nonce, share_target_le, /)\n--\n\n"
             "The header hash of one share, and whether it meets the share and network targets.");

static PyObject *JobHasher_check(PyObject *object, PyObject *const *args, Py_ssize_t arg_count)
{
    const struct share_job *job = &((JobHasher *)object)->job;
    struct share share;
    const uint8_t *share_target_le;
    uint8_t *hash_le;

    if (check_arg_count("check", 5, arg_count) < 0 || get_share(args, &share) < 0)
        return NULL;
    share_target_le = get_sized(args[4], "share_target_le", SHA256_DIGEST_SIZE);
    if (share_target_le == NULL)
        return NULL;

    PyObject *hash = new_bytes(SHA256_DIGEST_SIZE, &hash_le);
    if (hash == NULL)
        return NULL;
    share_hash(job, &share, hash_le);
    PyObject *meets_share = hash_meets_target(hash_le, share_target_le) ? Py_True : Py_False;
    PyObject *meets_network =
        hash_meets_target(hash_le, job->network_target_le) ? Py_True : Py_False;
    PyObject *result = PyTuple_Pack(3, hash, meets_share, meets_network);
    Py_DECREF(hash);
    return result;
}

PyDoc_STRVAR(JobHasher_doc,
             "JobHasher(coinb1, coinb2, merkle_branch, prevhash_le, nbits, network_target_le)\n"
             "--\n\n"
             "All of one job that does not change from share to share. Immutable.");

static PyMethodDef JobHasher_methods[] = {
    {"check", (PyCFunction)(void (*)(void))JobHasher_check, METH_FASTCALL, JobHasher_check_doc},
    {NULL},
};

static PyType_Slot JobHasher_slots[] = {
    {Py_tp_doc, (void *)JobHasher_doc},
    {Py_tp_new, (void *)JobHasher_new},
    {Py_tp_dealloc, (void *)JobHasher_dealloc},
    {Py_tp_methods, JobHasher_methods},
    {0, NULL},
};

/* No Py_TPFLAGS_HAVE_GC: an instance holds no Python object, so it is in no reference cycle. */
static PyType_Spec JobHasher_spec = {
    .name = "poolserver._native._sharecheck.JobHasher",
    .basicsize = sizeof(JobHasher),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = JobHasher_slots,
};

#endif
