#pragma once

// The MPI standard leaves its handles and constants as macros over casts, which Swift does not
// import. These functions give them names that Swift can call, and nothing more.

#include <mpi.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

/// All ranks of the job: a macro over the address of a library global.
static inline MPI_Comm cmpi_comm_world(void) { return MPI_COMM_WORLD; }

/// This rank alone: a macro over the address of a library global.
static inline MPI_Comm cmpi_comm_self(void) { return MPI_COMM_SELF; }

/// Errors are returned, not fatal: a macro over the address of a library global.
static inline MPI_Errhandler cmpi_errors_return(void) { return MPI_ERRORS_RETURN; }

/// No hints: a macro over the address of a library global.
static inline MPI_Info cmpi_info_null(void) { return MPI_INFO_NULL; }

/// An operation that is over: a macro over the address of a library global.
static inline MPI_Request cmpi_request_null(void) { return MPI_REQUEST_NULL; }

/// Swift `Float`: a macro over the address of a library global.
static inline MPI_Datatype cmpi_float(void) { return MPI_FLOAT; }

/// Swift `Double`: a macro over the address of a library global.
static inline MPI_Datatype cmpi_double(void) { return MPI_DOUBLE; }

/// Swift `Int64`: a macro over the address of a library global.
static inline MPI_Datatype cmpi_int64(void) { return MPI_INT64_T; }

/// Swift `UInt8`: a macro over the address of a library global.
static inline MPI_Datatype cmpi_uint8(void) { return MPI_UINT8_T; }

/// Elementwise sum: a macro over the address of a library global.
static inline MPI_Op cmpi_sum(void) { return MPI_SUM; }

/// Elementwise maximum: a macro over the address of a library global.
static inline MPI_Op cmpi_max(void) { return MPI_MAX; }

/// Elementwise minimum: a macro over the address of a library global.
static inline MPI_Op cmpi_min(void) { return MPI_MIN; }

/// "The receive buffer is the send buffer too": a macro over the invalid pointer 1.
static inline const void *cmpi_in_place(void) { return MPI_IN_PLACE; }

/// Whether the kernel lets this process call `process_vm_readv` at all; reading oneself needs no
/// ptrace right, so only a sandbox refuses it. A system call, because Swift's Glibc module is built
/// without _GNU_SOURCE, which hides the function.
static inline int cmpi_can_read_process_memory(void) {
  char source = 1, target = 0;
  struct iovec from = {&source, 1}, to = {&target, 1};
  return syscall(SYS_process_vm_readv, getpid(), &to, 1L, &from, 1L, 0L) == 1;
}

/// Fills `words` with the cores that this process may run on and returns 0, or -1 and errno. A
/// system call for the same reason as above.
static inline int cmpi_get_affinity(void *words, size_t bytes) {
  return syscall(SYS_sched_getaffinity, getpid(), bytes, words) < 0 ? -1 : 0;
}

#pragma clang assume_nonnull end
