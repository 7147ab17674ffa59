#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

/// The number of times the calling thread has asked the heap for memory.
///
/// Memory that has been given back counts as well, which is what distinguishes this from the
/// figures of mallinfo: a step that takes and returns a block leaves no trace there.
unsigned long allocationCountOfThread(void);

#endif
