/* The Python face of the plain C: checks arguments, converts, calls. See _sharecheck.pyi. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "arguments.h"
#include "histogram_glue.h"
#include "job_glue.h"
#include "journal_glue.h"
#include "lane_glue.h"
#include "module_state.h"
#include "rig_glue.h"
#include "set_glue.h"
#include "meter_glue.h"
#include "metric_glue.h"
#include "nonce_scan.h"
#include "sha256d.h"
#include "sockets_glue.h"
#include "template_glue.h"
#include "totals_glue.h"

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

static PyObject *module_sum_shares(PyObject *module, PyObject *const *args, Py_ssize_t arg_count)
{
    const struct module_state *state = PyModule_GetState(module);

    return sum_shares(state, args, arg_count);
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
    {"read_meters", (PyCFunction)(void (*)(void))module_read_meters, METH_FASTCALL,
     read_meters_doc},
    {"metric_labels", (PyCFunction)(void (*)(void))module_metric_labels, METH_FASTCALL,
     metric_labels_doc},
    {"metric_lines", (PyCFunction)(void (*)(void))module_metric_lines, METH_FASTCALL,
     metric_lines_doc},
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

    if (state != NULL) {
        Py_VISIT(state->share_sum);
        Py_VISIT(state->share_totals);
        Py_VISIT(state->histogram);
        Py_VISIT(state->job_hasher);
        Py_VISIT(state->share_set);
        Py_VISIT(state->lane_rig);
        Py_VISIT(state->share_lane);
        Py_VISIT(state->lane_turn);
        Py_VISIT(state->rig_socket);
        Py_VISIT(state->rig_sockets);
    }
    return 0;
}

static int module_clear(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);

    if (state != NULL) {
        Py_CLEAR(state->share_sum);
        Py_CLEAR(state->share_totals);
        Py_CLEAR(state->histogram);
        Py_CLEAR(state->job_hasher);
        Py_CLEAR(state->share_set);
        Py_CLEAR(state->lane_rig);
        Py_CLEAR(state->share_lane);
        Py_CLEAR(state->lane_turn);
        Py_CLEAR(state->rig_socket);
        Py_CLEAR(state->rig_sockets);
    }
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
}

/* Makes a type and leaves a reference to it in `kept`. */
static int add_type(PyObject *module, PyType_Spec *spec, PyObject **kept)
{
    *kept = PyType_FromModuleAndSpec(module, spec, NULL);
    return *kept == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)*kept);
}

static int add_lane(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);

    if (add_type(module, &ShareSet_spec, &state->share_set) < 0 ||
        add_type(module, &LaneRig_spec, &state->lane_rig) < 0 ||
        add_type(module, &ShareLane_spec, &state->share_lane) < 0)
        return -1;
    return add_type(module, &LaneTurn_spec, &state->lane_turn);
}

/* The rigs' sockets: Linux only. */
static int add_sockets(PyObject *module)
{
#ifdef __linux__
    struct module_state *state = PyModule_GetState(module);

    if (add_type(module, &RigSocket_spec, &state->rig_socket) < 0)
        return -1;
    return add_type(module, &RigSockets_spec, &state->rig_sockets);
#else
    (void)module;
    return 0;
#endif
}

static int module_exec(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);

    journal_init();
    if (add_share_sum(module) < 0 || add_type(module, &Histogram_spec, &state->histogram) < 0 ||
        add_type(module, &ShareTotals_spec, &state->share_totals) < 0 ||
        add_type(module, &JobHasher_spec, &state->job_hasher) < 0 || add_lane(module) < 0 ||
        add_sockets(module) < 0)
        return -1;
    return add_backends(module);
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
