"""The slot board: what each slot of a child is doing, in memory that its parent reads without asking.

A few pages are mapped by a child and its parent. For each slot there is a row. The child stamps there the job that the slot starts; the parent
reads the stamp when it needs to know: for time limits, for what is active, and above all after a death, when exactly the stamped jobs are to blame.

The same memory takes back work. A slot runs its jobs in the order of their numbers, and a number is never used twice. So one number, the
*barrier*, says which of its waiting jobs the parent has taken back: the slot starts a job only if its number is above the barrier. Both sides look and
write under one lock, which is held for less than a microsecond.

======== ======= =========== ==========================================
cell     written meaning
======== ======= =========== ==========================================
CURRENT  child   job running now, 0 when idle
STARTED  child   highest job number ever started
SINCE    child   since when CURRENT runs, monotonic seconds
BARRIER  parent  jobs up to this number that have not started are taken back
SOFT     parent  job whose soft time limit has passed
END      parent  job that is to end, where its neighbours are to go on
======== ======= =========== ==========================================
"""
