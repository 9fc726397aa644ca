// A plain book as a C++ programmer writes it first: a map of levels, a list of orders at each, a hash of ids.
//
// It reads the records of bench/tape.py and answers with the same reports in the same order as bench/matcher.py.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <unordered_map>

namespace {

enum MessageKind : int32_t { NEW = 1, CANCEL = 2, MODIFY = 3 };
enum ReportKind : int64_t { ACK = 1, TRADE = 2, CANCELED = 3, REJECT = 4 };
enum Side : int32_t { BUY = 1, SELL = 2 };

struct Message {
    int32_t kind, side;
    int64_t order_id, price_ticks, lots;
};

struct Report {
    int32_t kind, price_ticks;
    int64_t order_id, maker_order_id, lots;
};

struct Totals {
    int64_t reports, trades, lots, turnover;
};

struct Order {
    int64_t order_id, price_ticks, lots;
    int32_t side;
};

using Level = std::list<Order>;

struct Book {
    std::map<int64_t, Level, std::greater<int64_t>> bids;
    std::map<int64_t, Level> asks;
    std::unordered_map<int64_t, Level::iterator> orders;
};

struct Output {
    Report* ring;
    int64_t mask;
    Totals* totals;

    void report(int64_t kind, int64_t order_id, int64_t maker_order_id, int64_t price_ticks, int64_t lots) {
        ring[totals->reports++ & mask] = {(int32_t)kind, (int32_t)price_ticks, order_id, maker_order_id, lots};
    }
};

template <class Levels, class Within>
int64_t trade(Book& book, Levels& levels, Within within, int64_t order_id, int64_t lots, Output& out) {
    while (lots > 0 && !levels.empty() && within(levels.begin()->first)) {
        auto best = levels.begin();
        Order& maker = best->second.front();
        int64_t traded = std::min(lots, maker.lots);
        out.report(TRADE, order_id, maker.order_id, best->first, traded);
        out.totals->trades += 1;
        out.totals->lots += traded;
        out.totals->turnover += best->first * traded;
        lots -= traded;
        maker.lots -= traded;
        if (maker.lots == 0) {
            book.orders.erase(maker.order_id);
            best->second.pop_front();
            if (best->second.empty()) levels.erase(best);
        }
    }
    return lots;
}

template <class Levels>
void rest(Book& book, Levels& levels, const Order& order) {
    Level& level = levels[order.price_ticks];
    book.orders[order.order_id] = level.insert(level.end(), order);
}

template <class Levels>
void remove(Levels& levels, Level::iterator order) {
    auto level = levels.find(order->price_ticks);
    level->second.erase(order);
    if (level->second.empty()) levels.erase(level);
}

void place(Book& book, Order order, Output& out) {
    int64_t limit = order.price_ticks;
    if (order.side == BUY) {
        order.lots = trade(book, book.asks, [limit](int64_t p) { return p <= limit; }, order.order_id, order.lots, out);
        if (order.lots > 0) rest(book, book.bids, order);
    } else {
        order.lots = trade(book, book.bids, [limit](int64_t p) { return p >= limit; }, order.order_id, order.lots, out);
        if (order.lots > 0) rest(book, book.asks, order);
    }
}

void remove(Book& book, std::unordered_map<int64_t, Level::iterator>::iterator found) {
    Level::iterator order = found->second;
    book.orders.erase(found);
    if (order->side == BUY)
        remove(book.bids, order);
    else
        remove(book.asks, order);
}

void modify(Book& book, std::unordered_map<int64_t, Level::iterator>::iterator found, const Message& m, Output& out) {
    Order order = *found->second;
    out.report(ACK, m.order_id, 0, m.price_ticks, m.lots);
    if (order.price_ticks == m.price_ticks && m.lots < order.lots) {
        found->second->lots = m.lots;
        return;
    }
    remove(book, found);
    place(book, {m.order_id, m.price_ticks, m.lots, order.side}, out);
}

}  // namespace

extern "C" {

void* book_create(int64_t) { return new Book; }

void book_destroy(void* book) { delete static_cast<Book*>(book); }

void book_match(void* handle, const Message* messages, int64_t first, int64_t end, Report* ring, int64_t ring_reports,
                Totals* totals) {
    Book& book = *static_cast<Book*>(handle);
    Output out{ring, ring_reports - 1, totals};
    for (int64_t i = first; i < end; i++) {
        const Message& m = messages[i];
        if (m.kind == NEW) {
            out.report(ACK, m.order_id, 0, m.price_ticks, m.lots);
            place(book, {m.order_id, m.price_ticks, m.lots, m.side}, out);
            continue;
        }
        auto found = book.orders.find(m.order_id);
        if (found == book.orders.end()) {
            out.report(REJECT, m.order_id, 0, 0, 0);
        } else if (m.kind == CANCEL) {
            out.report(CANCELED, m.order_id, 0, 0, found->second->lots);
            remove(book, found);
        } else {
            modify(book, found, m, out);
        }
    }
}
}
