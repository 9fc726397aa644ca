/* The book of holdfast/engine once more, in C: the same ladder of pages, the same rows, the same hash of open orders.
 *
 * It shows what the compiled Python costs beside a C compiler. It reads the records of bench/tape.py and answers with the
 * same reports in the same order as bench/matcher.py. What is said about each structure stands with the original:
 * book.py, ladder.py and order_index.py. Arrays have a fixed size here, since nothing grows while it is measured. */

#define _DEFAULT_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { NEW = 1, CANCEL = 2, MODIFY = 3 };
enum { ACK = 1, TRADE = 2, CANCELED = 3, REJECT = 4 };
enum { BUY = 1, SELL = 2 };

typedef struct { int32_t kind, side; int64_t order_id, price_ticks, lots; } message_t;
typedef struct { int32_t kind, price_ticks; int64_t order_id, maker_order_id, lots; } report_t;
typedef struct { int64_t reports, trades, lots, turnover; } totals_t;

#define NIL 0u
#define KEY_MAX ((1 << 30) - 1)
#define PAGE_TICKS 4096
#define WORDS_PER_PAGE 64
#define TOPS_PER_SIDE 64
#define ORDERS (1 << 21)
#define LEVELS (1 << 20)
#define PAGES (1 << 11)
#define TAG_MASK 0x7fffffff
#define SPREAD 0x9E3779B1ull
#define SPREAD_SHIFT 20
#define HUGE_PAGE (2 << 20)

typedef struct { int64_t leaves_lots, order_id; uint32_t next, prev, level; int32_t account_id; } order_t;
typedef struct { int64_t key, lots; uint32_t first, last; int32_t order_count; uint32_t side_row; } level_t;
typedef struct { uint64_t tops_used; uint32_t best_level; int32_t level_count; } side_t;
typedef struct { uint64_t words_used; uint32_t next_free, unused; } page_t;
typedef struct { uint32_t tag, row; } entry_t;

typedef struct {
    order_t *orders;
    level_t *levels;
    page_t *pages;
    uint32_t *page_slots;
    uint64_t *page_words;
    entry_t *entries;
    int64_t entry_mask;
    side_t sides[2];
    uint32_t side_tops[2 * TOPS_PER_SIDE];
    int64_t order_count;
    uint32_t order_free, order_rows, level_free, level_rows, page_free, page_rows;
} book_t;

typedef struct { report_t *ring; int64_t mask; totals_t *totals; } output_t;

static inline void report(output_t *out, int64_t kind, int64_t id, int64_t maker_id, int64_t price, int64_t lots) {
    report_t *r = &out->ring[out->totals->reports++ & out->mask];
    r->kind = (int32_t)kind, r->order_id = id, r->maker_order_id = maker_id, r->price_ticks = (int32_t)price, r->lots = lots;
}

/* Prices as keys: the lower the better, on both sides. */
static inline int64_t price_key(uint32_t side_row, int64_t price) { return price ^ (side_row & 1 ? 0 : KEY_MAX); }

/* The ladder. */

static inline uint32_t top_of(int64_t key) { return (uint32_t)(key >> 24) & (TOPS_PER_SIDE - 1); }
static inline uint32_t page_slot_of(int64_t key) { return (uint32_t)(key >> 12) & (PAGE_TICKS - 1); }
static inline uint64_t bits_above(uint32_t bit) { return (uint64_t)-2 << bit; }

static inline uint32_t directory_page(book_t *b, uint32_t side_row, int64_t key) {
    return b->side_tops[side_row * TOPS_PER_SIDE + top_of(key)];
}

static inline uint32_t leaf_page(book_t *b, uint32_t side_row, int64_t key) {
    return b->page_slots[(int64_t)directory_page(b, side_row, key) * PAGE_TICKS + page_slot_of(key)];
}

static inline uint32_t find_level(book_t *b, uint32_t side_row, int64_t key) {
    return b->page_slots[(int64_t)leaf_page(b, side_row, key) * PAGE_TICKS + (key & (PAGE_TICKS - 1))];
}

static inline void set_slot(book_t *b, uint32_t page, uint32_t slot, uint32_t row) {
    uint32_t word = slot >> 6;
    b->page_slots[(int64_t)page * PAGE_TICKS + slot] = row;
    b->page_words[(int64_t)page * WORDS_PER_PAGE + word] |= 1ull << (slot & 63);
    b->pages[page].words_used |= 1ull << word;
}

static inline int clear_slot(book_t *b, uint32_t page, uint32_t slot) {
    uint32_t word = slot >> 6;
    b->page_slots[(int64_t)page * PAGE_TICKS + slot] = NIL;
    uint64_t rest = b->page_words[(int64_t)page * WORDS_PER_PAGE + word] &= ~(1ull << (slot & 63));
    uint64_t words = b->pages[page].words_used &= ~((uint64_t)(rest == 0) << word);
    return words == 0;
}

static inline uint32_t first_slot(book_t *b, uint32_t page) {
    uint32_t word = __builtin_ctzll(b->pages[page].words_used);
    return (word << 6) + __builtin_ctzll(b->page_words[(int64_t)page * WORDS_PER_PAGE + word]);
}

static inline uint32_t next_slot(book_t *b, uint32_t page, uint32_t slot) {
    uint32_t word = slot >> 6;
    uint64_t bits = b->page_words[(int64_t)page * WORDS_PER_PAGE + word] & bits_above(slot & 63);
    if (bits) return (word << 6) + __builtin_ctzll(bits);
    uint64_t words = b->pages[page].words_used & bits_above(word);
    if (!words) return PAGE_TICKS;
    word = __builtin_ctzll(words);
    return (word << 6) + __builtin_ctzll(b->page_words[(int64_t)page * WORDS_PER_PAGE + word]);
}

static inline uint32_t take_page(book_t *b) {
    uint32_t page = b->page_free;
    if (page == NIL) return ++b->page_rows;
    b->page_free = b->pages[page].next_free;
    b->pages[page].next_free = NIL;
    return page;
}

static inline void free_page(book_t *b, uint32_t page) {
    b->pages[page].next_free = b->page_free;
    b->page_free = page;
}

static inline void put_level(book_t *b, uint32_t side_row, int64_t key, uint32_t level) {
    uint32_t directory = directory_page(b, side_row, key);
    if (directory == NIL) {
        directory = take_page(b);
        b->side_tops[side_row * TOPS_PER_SIDE + top_of(key)] = directory;
        b->sides[side_row].tops_used |= 1ull << top_of(key);
    }
    uint32_t page = b->page_slots[(int64_t)directory * PAGE_TICKS + page_slot_of(key)];
    if (page == NIL) {
        page = take_page(b);
        set_slot(b, directory, page_slot_of(key), page);
    }
    set_slot(b, page, key & (PAGE_TICKS - 1), level);
}

static inline void drop_level(book_t *b, uint32_t side_row, int64_t key) {
    uint32_t page = leaf_page(b, side_row, key);
    if (!clear_slot(b, page, key & (PAGE_TICKS - 1))) return;
    free_page(b, page);
    uint32_t directory = directory_page(b, side_row, key);
    if (!clear_slot(b, directory, page_slot_of(key))) return;
    free_page(b, directory);
    b->side_tops[side_row * TOPS_PER_SIDE + top_of(key)] = NIL;
    b->sides[side_row].tops_used &= ~(1ull << top_of(key));
}

static inline uint32_t level_after(book_t *b, uint32_t side_row, int64_t key) {
    uint32_t page = leaf_page(b, side_row, key);
    uint32_t slot = next_slot(b, page, key & (PAGE_TICKS - 1));
    if (slot == PAGE_TICKS) {
        uint32_t directory = directory_page(b, side_row, key);
        slot = next_slot(b, directory, page_slot_of(key));
        if (slot == PAGE_TICKS) {
            uint64_t tops = b->sides[side_row].tops_used & bits_above(top_of(key));
            if (!tops) return NIL;
            directory = b->side_tops[side_row * TOPS_PER_SIDE + __builtin_ctzll(tops)];
            slot = first_slot(b, directory);
        }
        page = b->page_slots[(int64_t)directory * PAGE_TICKS + slot];
        slot = first_slot(b, page);
    }
    return b->page_slots[(int64_t)page * PAGE_TICKS + slot];
}

/* The hash of open orders. */

static inline int64_t home(uint64_t tag, int64_t mask) { return (int64_t)((tag * SPREAD) >> SPREAD_SHIFT) & mask; }

static inline uint32_t find_order(book_t *b, int64_t id) {
    uint32_t tag = id & TAG_MASK;
    for (int64_t place = home(tag, b->entry_mask);; place = (place + 1) & b->entry_mask) {
        entry_t *entry = &b->entries[place];
        if (entry->row == NIL || (entry->tag == tag && b->orders[entry->row].order_id == id)) return entry->row;
    }
}

static inline void index_order(book_t *b, int64_t id, uint32_t row) {
    uint32_t tag = id & TAG_MASK;
    int64_t place = home(tag, b->entry_mask);
    while (b->entries[place].row != NIL) place = (place + 1) & b->entry_mask;
    b->entries[place] = (entry_t){tag, row};
}

static inline void forget_order(book_t *b, int64_t id, uint32_t row) {
    int64_t mask = b->entry_mask, hole = home(id & TAG_MASK, mask);
    while (b->entries[hole].row != row) hole = (hole + 1) & mask;
    for (int64_t place = (hole + 1) & mask; b->entries[place].row != NIL; place = (place + 1) & mask)
        if (((place - home(b->entries[place].tag, mask)) & mask) >= ((place - hole) & mask)) {
            b->entries[hole] = b->entries[place];
            hole = place;
        }
    b->entries[hole] = (entry_t){0, NIL};
}

/* The book. */

static inline void append_order(book_t *b, uint32_t side_row, int64_t price, int64_t id, int64_t lots) {
    int64_t key = price_key(side_row, price);
    uint32_t level = find_level(b, side_row, key);
    if (level == NIL) {
        level = b->level_free;
        if (level != NIL) b->level_free = b->levels[level].first, b->levels[level].first = NIL;
        else level = ++b->level_rows;
        b->levels[level].key = key;
        b->levels[level].side_row = side_row;
        put_level(b, side_row, key, level);
        side_t *side = &b->sides[side_row];
        side->level_count++;
        if (side->best_level == NIL || key < b->levels[side->best_level].key) side->best_level = level;
    }
    uint32_t row = b->order_free;
    if (row != NIL) b->order_free = b->orders[row].next;
    else row = ++b->order_rows;
    b->order_count++;
    level_t *l = &b->levels[level];
    b->orders[row] = (order_t){lots, id, NIL, l->last, level, 1};
    if (l->last == NIL) l->first = row;
    else b->orders[l->last].next = row;
    l->last = row;
    l->order_count++;
    l->lots += lots;
    index_order(b, id, row);
}

static inline void reduce_order(book_t *b, uint32_t row, int64_t lots) {
    b->orders[row].leaves_lots -= lots;
    b->levels[b->orders[row].level].lots -= lots;
}

static inline void remove_order(book_t *b, uint32_t row) {
    order_t *o = &b->orders[row];
    uint32_t level = o->level;
    level_t *l = &b->levels[level];
    forget_order(b, o->order_id, row);
    if (o->prev == NIL) l->first = o->next;
    else b->orders[o->prev].next = o->next;
    if (o->next == NIL) l->last = o->prev;
    else b->orders[o->next].prev = o->prev;
    l->lots -= o->leaves_lots;
    if (--l->order_count == 0) {
        side_t *side = &b->sides[l->side_row];
        if (side->best_level == level) side->best_level = level_after(b, l->side_row, l->key);
        side->level_count--;
        drop_level(b, l->side_row, l->key);
        *l = (level_t){.first = b->level_free};
        b->level_free = level;
    }
    *o = (order_t){.next = b->order_free};
    b->order_free = row;
    b->order_count--;
}

static inline void place(book_t *b, uint32_t side_row, int64_t id, int64_t price, int64_t lots, output_t *out) {
    uint32_t opposite = side_row ^ 1, level;
    int64_t limit_key = price_key(opposite, price);
    while (lots > 0 && (level = b->sides[opposite].best_level) != NIL && b->levels[level].key <= limit_key) {
        uint32_t maker = b->levels[level].first;
        order_t *m = &b->orders[maker];
        int64_t traded = lots < m->leaves_lots ? lots : m->leaves_lots;
        int64_t maker_price = price_key(opposite, b->levels[level].key);
        report(out, TRADE, id, m->order_id, maker_price, traded);
        out->totals->trades++;
        out->totals->lots += traded;
        out->totals->turnover += maker_price * traded;
        lots -= traded;
        if (traded == m->leaves_lots) remove_order(b, maker);
        else reduce_order(b, maker, traded);
    }
    if (lots > 0) append_order(b, side_row, price, id, lots);
}

static inline void modify(book_t *b, uint32_t row, const message_t *m, output_t *out) {
    order_t *o = &b->orders[row];
    uint32_t side_row = b->levels[o->level].side_row;
    report(out, ACK, m->order_id, 0, m->price_ticks, m->lots);
    if (b->levels[o->level].key == price_key(side_row, m->price_ticks) && m->lots < o->leaves_lots) {
        reduce_order(b, row, o->leaves_lots - m->lots);
        return;
    }
    remove_order(b, row);
    place(b, side_row, m->order_id, m->price_ticks, m->lots, out);
}

/* Looking ahead, as bench/matcher.py does. */

enum { FAR = 16, NEAR = 8, NEXT = 4, CACHED_ORDERS = 16384 };

static inline uint32_t likely_row(book_t *b, int64_t id) {
    uint32_t tag = id & TAG_MASK;
    int64_t place = home(tag, b->entry_mask);
    if (b->entries[place].tag != tag) place = (place + 1) & b->entry_mask;
    return b->entries[place].row;
}

/* Must be inline: gcc takes a function that only fetches for one that does nothing, and drops its calls. */
static inline __attribute__((always_inline)) void look_ahead(book_t *b, const message_t *m) {
    const message_t *far = m + FAR, *next = m + NEXT;
    __builtin_prefetch(&b->entries[home(far->order_id & TAG_MASK, b->entry_mask)]);
    int64_t key = price_key(far->side == SELL, far->price_ticks & KEY_MAX);
    int64_t page = leaf_page(b, far->side == SELL, key);
    __builtin_prefetch(&b->page_slots[page * PAGE_TICKS + (key & (PAGE_TICKS - 1))]);
    __builtin_prefetch(&b->orders[likely_row(b, m[NEAR].order_id)]);
    order_t *o = &b->orders[likely_row(b, next->order_id)];
    __builtin_prefetch(&b->levels[o->level]);
    __builtin_prefetch(&b->orders[o->prev]);
    __builtin_prefetch(&b->orders[o->next]);
    key = price_key(next->side == SELL, next->price_ticks & KEY_MAX);
    __builtin_prefetch(&b->levels[find_level(b, next->side == SELL, key)]);
}

/* Zeroed memory in huge pages, as NumPy's large arrays are. */
static void *rows(size_t count, size_t size) {
    size_t bytes = (count * size + (HUGE_PAGE - 1)) & ~(size_t)(HUGE_PAGE - 1);
    void *memory = aligned_alloc(HUGE_PAGE, bytes);
    if (!memory) abort();
    madvise(memory, bytes, MADV_HUGEPAGE);
    return memset(memory, 0, bytes);
}

/* The hash has four entries for each of `orders`, like the original when so many are open. */
void *book_create(int64_t orders) {
    book_t *b = calloc(1, sizeof *b);
    int64_t entries = 1;
    while (entries < 4 * orders) entries *= 2;
    b->orders = rows(ORDERS, sizeof *b->orders);
    b->levels = rows(LEVELS, sizeof *b->levels);
    b->pages = rows(PAGES, sizeof *b->pages);
    b->page_slots = rows((size_t)PAGES * PAGE_TICKS, sizeof *b->page_slots);
    b->page_words = rows((size_t)PAGES * WORDS_PER_PAGE, sizeof *b->page_words);
    b->entries = rows(entries, sizeof *b->entries);
    b->entry_mask = entries - 1;
    return b;
}

void book_destroy(void *handle) {
    book_t *b = handle;
    free(b->orders), free(b->levels), free(b->pages), free(b->page_slots), free(b->page_words), free(b->entries);
    free(b);
}

void book_match(void *handle, const message_t *messages, int64_t first, int64_t end, report_t *ring,
                int64_t ring_reports, totals_t *totals) {
    book_t *b = handle;
    output_t out = {ring, ring_reports - 1, totals};
    for (int64_t i = first; i < end; i++) {
        const message_t *m = &messages[i];
        if (b->order_count > CACHED_ORDERS && i + FAR < end) look_ahead(b, m);
        if (m->kind == NEW) {
            report(&out, ACK, m->order_id, 0, m->price_ticks, m->lots);
            place(b, m->side == SELL, m->order_id, m->price_ticks, m->lots, &out);
            continue;
        }
        uint32_t row = find_order(b, m->order_id);
        if (row == NIL) {
            report(&out, REJECT, m->order_id, 0, 0, 0);
        } else if (m->kind == CANCEL) {
            report(&out, CANCELED, m->order_id, 0, 0, b->orders[row].leaves_lots);
            remove_order(b, row);
        } else {
            modify(b, row, m, &out);
        }
    }
}
