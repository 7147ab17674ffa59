#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

/// The number of times the calling thread has asked the heap for memory.
///
/// Memory that has been given back counts as well, which is what distinguishes this from the
/// figures of mallinfo: a step that takes and returns a block leaves no trace there.
unsigned long allocationCountOfThread(void);

/// Begins to watch how much memory the calling thread holds.
void beginPeakOfThread(void);

/// The largest number of bytes that the calling thread has held at a time since it began to watch,
/// beyond what it held then.
long peakBytesOfThread(void);

#endif
