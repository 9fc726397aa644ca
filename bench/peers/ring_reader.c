/* The other end of the ring of reports: reads every report, on a thread of its own, until it is told to stop.
 *
 * The writer makes `published` larger when reports are whole, and waits while the ring has no room for more. */

#include <stdatomic.h>
#include <stdint.h>

typedef struct { int32_t kind, price_ticks; int64_t order_id, maker_order_id, lots; } report_t;

typedef struct {
    _Alignas(64) _Atomic int64_t published;
    _Atomic int64_t is_over;
    _Alignas(64) _Atomic int64_t consumed;
    int64_t sum; /* Of all fields of all reports: so each was really read. */
} hand_over_t;

void ring_read(const report_t *ring, int64_t ring_reports, hand_over_t *shared) {
    int64_t next = 0, sum = 0;
    for (;;) {
        int is_over = atomic_load_explicit(&shared->is_over, memory_order_acquire);
        int64_t published = atomic_load_explicit(&shared->published, memory_order_acquire);
        if (next == published) {
            if (is_over) break;
            __builtin_ia32_pause();
            continue;
        }
        for (; next < published; next++) {
            const report_t *r = &ring[next & (ring_reports - 1)];
            sum += r->kind + r->order_id + r->maker_order_id + r->price_ticks + r->lots;
        }
        atomic_store_explicit(&shared->consumed, next, memory_order_release);
    }
    shared->sum = sum;
}
