/* The Python face of the plain C: checks arguments, converts, calls. See _sharecheck.pyi. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "arguments.h"
#include "journal_glue.h"
#include "meter_glue.h"
#include "sha256d.h"
#include "template_glue.h"

/* ---- JobHasher ------------------------------------------------------------------------------- */

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
    memcpy(job->branch[index], hash, SHA256_DIGEST_SIZE);
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
    memcpy(job->prevhash_le, prevhash, SHA256_DIGEST_SIZE);
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

/* ---- Functions ------------------------------------------------------------------------------- */

PyDoc_STRVAR(sha256d_doc, "sha256d($module, data, /)\n--\n\nSHA-256 of the SHA-256 of data.");

static PyObject *module_sha256d(PyObject *module, PyObject *arg)
{
    struct bytes_view data;
    uint8_t *digest;

    (void)module;
    if (get_bytes(arg, "data", &data) < 0)
        return NULL;
    PyObject *result = new_bytes(SHA256_DIGEST_SIZE, &digest);
    if (result != NULL)
        sha256d(data.data, (size_t)data.size, digest);
    return result;
}

/* From so many pairs on the GIL is released: some 40 us of work with SHA-NI, ten times that without.
   Below that it is not worth the wait to get it back. */
enum { PAIRS_WITHOUT_GIL = 256 };

PyDoc_STRVAR(sha256d_pairs_doc,
             "sha256d_pairs($module, data, /)\n--\n\n"
             "sha256d of each 64-byte pair of data, concatenated: one level of a merkle tree.");

static PyObject *module_sha256d_pairs(PyObject *module, PyObject *arg)
{
    struct bytes_view data;
    uint8_t *digests;

    (void)module;
    if (get_bytes(arg, "data", &data) < 0)
        return NULL;
    if (data.size % SHA256_BLOCK_SIZE != 0) {
        PyErr_Format(PyExc_ValueError, "data must be a multiple of %d bytes, is %zd",
                     SHA256_BLOCK_SIZE, data.size);
        return NULL;
    }
    PyObject *result = new_bytes(data.size / 2, &digests);
    if (result == NULL)
        return NULL;
    const size_t count = (size_t)data.size / SHA256_BLOCK_SIZE;
    PyThreadState *released = count < PAIRS_WITHOUT_GIL ? NULL : PyEval_SaveThread();
    sha256d_pairs(data.data, count, digests);
    if (released != NULL)
        PyEval_RestoreThread(released);
    return result;
}

/* One release of the GIL tries at most so many nonces and finds at most so many. A step takes tens
   of milliseconds at 15 MH/s: short enough for Ctrl-C, and long beside the 5 ms it can take to get
   the lock back from a busy thread. */
enum { SCAN_STEP = 1 << 20, SCAN_FOUND_MAX = 1024 };

static int append_nonces(PyObject *list, const uint32_t *nonces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PyObject *nonce = PyLong_FromUnsignedLong(nonces[i]);
        int status = nonce == NULL ? -1 : PyList_Append(list, nonce);
        Py_XDECREF(nonce);
        if (status < 0)
            return -1;
    }
    return 0;
}

static int run_scan(struct nonce_scan *scan, uint64_t count, PyObject *result)
{
    uint32_t found[SCAN_FOUND_MAX];
    size_t found_count;

    while (count > 0) {
        uint64_t step = count < SCAN_STEP ? count : SCAN_STEP;
        Py_BEGIN_ALLOW_THREADS
        count -= nonce_scan_step(scan, step, found, SCAN_FOUND_MAX, &found_count);
        Py_END_ALLOW_THREADS
        if (append_nonces(result, found, found_count) < 0 || PyErr_CheckSignals() < 0)
            return -1;
    }
    return 0;
}

PyDoc_STRVAR(scan_nonces_doc,
             "scan_nonces($module, header, nonce_start, count, target_le, /)\n--\n\n"
             "The nonces of count from nonce_start with which the header's hash is <= the target.");

static PyObject *module_scan_nonces(PyObject *module, PyObject *const *args, Py_ssize_t arg_count)
{
    struct nonce_scan scan;
    const uint8_t *header, *target_le;
    uint32_t nonce_start;
    uint64_t count;

    (void)module;
    if (check_arg_count("scan_nonces", 4, arg_count) < 0)
        return NULL;
    if ((header = get_sized(args[0], "header", HEADER_SIZE)) == NULL)
        return NULL;
    if (get_uint32(args[1], "nonce_start", &nonce_start) < 0)
        return NULL;
    if (get_uint(args[2], "count", UINT64_C(1) << 32, &count) < 0) /* there are no more nonces */
        return NULL;
    if ((target_le = get_sized(args[3], "target_le", SHA256_DIGEST_SIZE)) == NULL)
        return NULL;

    nonce_scan_init(&scan, header, nonce_start, target_le);
    PyObject *result = PyList_New(0);
    if (result != NULL && run_scan(&scan, count, result) < 0)
        Py_CLEAR(result);
    return result;
}

PyDoc_STRVAR(backend_doc, "backend($module, /)\n--\n\nThe name of the backend in use.");

static PyObject *module_backend(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyUnicode_FromString(sha256_backend());
}

PyDoc_STRVAR(set_backend_doc,
             "set_backend($module, name, /)\n--\n\nUse another backend, in the whole process.");

static PyObject *module_set_backend(PyObject *module, PyObject *arg)
{
    const char *name;

    (void)module;
    if (!PyUnicode_Check(arg)) {
        wrong_type("name", "str", arg);
        return NULL;
    }
    for (size_t i = 0; (name = sha256_backend_name(i)) != NULL; i++) {
        if (PyUnicode_CompareWithASCIIString(arg, name) == 0 && sha256_set_backend(name))
            Py_RETURN_NONE;
    }
    return PyErr_Format(PyExc_ValueError, "no backend %R on this CPU", arg);
}

struct module_state {
    PyObject *share_sum; /* the class in share_sum.py: what sum_shares gives */
};

static PyObject *module_sum_shares(PyObject *module, PyObject *const *args, Py_ssize_t arg_count)
{
    const struct module_state *state = PyModule_GetState(module);

    return sum_shares((PyTypeObject *)state->share_sum, args, arg_count);
}

static PyMethodDef module_methods[] = {
    {"sha256d", module_sha256d, METH_O, sha256d_doc},
    {"sha256d_pairs", module_sha256d_pairs, METH_O, sha256d_pairs_doc},
    {"scan_nonces", (PyCFunction)(void (*)(void))module_scan_nonces, METH_FASTCALL,
     scan_nonces_doc},
    {"take_transactions", module_take_transactions, METH_O, take_transactions_doc},
    {"pack_share", (PyCFunction)(void (*)(void))module_pack_share, METH_FASTCALL, pack_share_doc},
    {"skip_records", (PyCFunction)(void (*)(void))module_skip_records, METH_FASTCALL,
     skip_records_doc},
    {"update_meter", (PyCFunction)(void (*)(void))module_update_meter, METH_FASTCALL,
     update_meter_doc},
    {"sum_shares", (PyCFunction)(void (*)(void))module_sum_shares, METH_FASTCALL, sum_shares_doc},
    {"backend", module_backend, METH_NOARGS, backend_doc},
    {"set_backend", module_set_backend, METH_O, set_backend_doc},
    {NULL},
};

/* ---- Module ---------------------------------------------------------------------------------- */

/* BACKENDS: the names this CPU can run, best first. The best one is taken into use. */
static int add_backends(PyObject *module)
{
    const char *name;
    PyObject *names = PyList_New(0);
    int status = names == NULL ? -1 : 0;

    for (size_t i = 0; status == 0 && (name = sha256_backend_name(i)) != NULL; i++) {
        PyObject *item = PyUnicode_FromString(name);
        status = item == NULL ? -1 : PyList_Append(names, item);
        Py_XDECREF(item);
    }
    PyObject *backends = status == 0 ? PyList_AsTuple(names) : NULL;
    Py_XDECREF(names);
    if (backends == NULL)
        return -1;
    sha256_set_backend(sha256_backend_name(0));
    status = PyModule_AddObjectRef(module, "BACKENDS", backends);
    Py_DECREF(backends);
    return status;
}

/* The class of sums is Python's, so that both implementations give the same. */
static int add_share_sum(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);
    PyObject *home = PyImport_ImportModule("poolserver._native.share_sum");

    if (home == NULL)
        return -1;
    state->share_sum = PyObject_GetAttrString(home, "ShareSum");
    Py_DECREF(home);
    if (state->share_sum == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "ShareSum", state->share_sum);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    const struct module_state *state = PyModule_GetState(module);

    if (state != NULL)
        Py_VISIT(state->share_sum);
    return 0;
}

static int module_clear(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);

    if (state != NULL)
        Py_CLEAR(state->share_sum);
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
}

static int module_exec(PyObject *module)
{
    journal_init();
    if (add_share_sum(module) < 0)
        return -1;
    PyObject *type = PyType_FromModuleAndSpec(module, &JobHasher_spec, NULL);
    if (type == NULL)
        return -1;
    int status = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return status < 0 ? -1 : add_backends(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)module_exec},
    {0, NULL},
};

PyDoc_STRVAR(module_doc, "The share check and the hashes around it, in C. See twin.py.");

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_sharecheck",
    .m_doc = module_doc,
    .m_size = sizeof(struct module_state),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__sharecheck(void)
{
    return PyModuleDef_Init(&module_def);
}
