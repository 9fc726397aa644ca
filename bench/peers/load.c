/* Load generator for HTTP/1.1 and WebSocket: sends prepared messages over many connections and measures the replies.

   usage: load PORT CONNECTIONS DEPTH TOTAL http|ws OK_TEXT < messages
   Input: two lists (openings, messages), each a count and then (size, bytes) per entry; all numbers are 32-bit, native.
   Each connection first sends the openings, one at a time. Then all together send TOTAL messages, each connection taking
   every CONNECTIONS-th of the list (from the start again at its end) and keeping DEPTH of them in flight.
   Output: one line of JSON. A reply is good when it contains OK_TEXT (and, for HTTP, has a status of 2xx). */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct { uint32_t count; char **data; uint32_t *size; } list_t;
typedef struct {
    int fd, wants_write;
    uint32_t opened, in_flight;
    uint64_t sent_ns[256], sent, replied;  /* sending times, a ring */
    char *in; size_t in_size, in_capacity;
    char *out; size_t out_size, out_done, out_capacity;
} connection_t;

static list_t openings, messages;
static uint32_t connections, depth;
static uint64_t total, started, replies, good, start_ns, end_ns;
static int is_ws, epoll_fd;
static const char *ok_text;
static uint32_t *latency_ns;

static void fail(const char *what) { fprintf(stderr, "load: %s: %s\n", what, strerror(errno)); exit(1); }

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t read_u32(void) {
    uint32_t value;
    if (fread(&value, 4, 1, stdin) != 1) fail("short input");
    return value;
}

static list_t read_list(void) {
    list_t list = {read_u32(), NULL, NULL};
    list.data = calloc(list.count + 1, sizeof *list.data);
    list.size = calloc(list.count + 1, sizeof *list.size);
    for (uint32_t i = 0; i < list.count; i++) {
        list.size[i] = read_u32();
        list.data[i] = malloc(list.size[i] + 1);
        if (fread(list.data[i], 1, list.size[i], stdin) != list.size[i]) fail("short input");
    }
    return list;
}

static void watch(connection_t *c, int wants_write) {
    struct epoll_event event = {EPOLLIN | (wants_write ? EPOLLOUT : 0), {.ptr = c}};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event)) fail("epoll_ctl");
    c->wants_write = wants_write;
}

static void flush(connection_t *c) {
    while (c->out_done < c->out_size) {
        ssize_t n = send(c->fd, c->out + c->out_done, c->out_size - c->out_done, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) { if (!c->wants_write) watch(c, 1); return; }
        if (n < 0) fail("send");
        c->out_done += (size_t)n;
    }
    c->out_size = c->out_done = 0;
    if (c->wants_write) watch(c, 0);
}

static void put(connection_t *c, const char *data, size_t size) {
    if (c->out_size + size > c->out_capacity) {
        c->out_capacity = 2 * (c->out_size + size);
        c->out = realloc(c->out, c->out_capacity);
    }
    memcpy(c->out + c->out_size, data, size);
    c->out_size += size;
}

static void send_more(connection_t *c) {
    while (c->in_flight < depth && started < total) {
        uint32_t i = (uint32_t)(started % messages.count);  /* In order over all connections, so that each is sent once. */
        put(c, messages.data[i], messages.size[i]);
        c->sent_ns[c->sent++ % 256] = now_ns();
        c->in_flight++;
        started++;
    }
    flush(c);
}

static void on_reply(connection_t *c, const char *reply, size_t size, int is_good) {
    if (c->opened < openings.count) {
        if (++c->opened < openings.count) { put(c, openings.data[c->opened], openings.size[c->opened]); flush(c); }
        return;
    }
    if (replies == total) return;
    uint64_t now = now_ns(), took = now - c->sent_ns[c->replied++ % 256];
    latency_ns[replies++] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
    good += is_good && (!*ok_text || memmem(reply, size, ok_text, strlen(ok_text)) != NULL);
    c->in_flight--;
    end_ns = now;
}

/* Size of the first whole HTTP response in the buffer, or 0. */
static size_t http_size(const char *in, size_t size, int *is_good) {
    const char *head_end = memmem(in, size, "\r\n\r\n", 4);
    if (!head_end) return 0;
    size_t head = (size_t)(head_end - in) + 4, body = 0;
    for (const char *line = in; line < head_end;) {
        if (!strncasecmp(line, "content-length:", 15)) body = strtoul(line + 15, NULL, 10);
        const char *next = memmem(line, (size_t)(in + head - line), "\r\n", 2);
        line = next + 2;
    }
    *is_good = in[9] == '2';
    return size >= head + body ? head + body : 0;
}

/* Size of the first whole frame in the buffer, or 0; control frames are no replies. */
static size_t ws_size(const unsigned char *in, size_t size, int *is_reply) {
    if (size < 2) return 0;
    size_t head = 2, body = in[1] & 0x7f;
    if (body == 126) { head = 4; if (size < 4) return 0; body = (size_t)in[2] << 8 | in[3]; }
    else if (body == 127) {
        head = 10;
        if (size < 10) return 0;
        body = 0;
        for (int i = 2; i < 10; i++) body = body << 8 | in[i];
    }
    if ((in[0] & 0x0f) == 8) { fprintf(stderr, "load: the server closed a WebSocket\n"); exit(1); }
    *is_reply = (in[0] & 0x0f) < 8;
    return size >= head + body ? head + body : 0;
}

static void take_replies(connection_t *c) {
    size_t at = 0, n;
    for (; at < c->in_size; at += n) {
        int is_good = 1, is_reply = 1;
        if (!is_ws || c->opened == 0) n = http_size(c->in + at, c->in_size - at, &is_good);
        else n = ws_size((unsigned char *)c->in + at, c->in_size - at, &is_reply);
        if (n == 0) break;
        if (is_reply) on_reply(c, c->in + at, n, is_good);
    }
    memmove(c->in, c->in + at, c->in_size - at);
    c->in_size -= at;
}

static void receive(connection_t *c) {
    for (;;) {
        if (c->in_capacity - c->in_size < 65536) c->in = realloc(c->in, c->in_capacity = 2 * c->in_capacity + 131072);
        size_t room = c->in_capacity - c->in_size;
        ssize_t n = recv(c->fd, c->in + c->in_size, room, 0);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) { if (n == 0) errno = ECONNRESET; fail("recv"); }
        c->in_size += (size_t)n;
        if ((size_t)n < room) break;
    }
    take_replies(c);
}

static void open_connection(connection_t *c, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK)) fail("fcntl");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {EPOLLIN, {.ptr = c}};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event)) fail("epoll_ctl");
    if (openings.count) { put(c, openings.data[0], openings.size[0]); flush(c); }
}

/* One round of events. A connection whose openings are done does nothing until `is_running`. */
static void step(int is_running) {
    struct epoll_event events[256];
    int n = epoll_wait(epoll_fd, events, 256, 10000);
    if (n == 0) { fprintf(stderr, "load: no reply for 10 s\n"); exit(1); }
    if (n < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < n; i++) {
        connection_t *c = events[i].data.ptr;
        if (events[i].events & EPOLLOUT) flush(c);
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
        if (is_running) send_more(c);
    }
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static double quantile_us(double q) { return latency_ns[(uint64_t)(q * (double)(replies - 1))] / 1000.0; }

int main(int argc, char **argv) {
    if (argc != 7) { fprintf(stderr, "usage: load PORT CONNECTIONS DEPTH TOTAL http|ws OK_TEXT\n"); return 2; }
    connections = (uint32_t)atoi(argv[2]);
    depth = (uint32_t)atoi(argv[3]);
    total = strtoull(argv[4], NULL, 10);
    is_ws = !strcmp(argv[5], "ws");
    ok_text = argv[6];
    openings = read_list();
    messages = read_list();
    if (!connections || !depth || depth > 256 || !total || !messages.count) { fprintf(stderr, "load: nothing to do\n"); return 2; }
    latency_ns = malloc(total * sizeof *latency_ns);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    epoll_fd = epoll_create1(0);
    connection_t *all = calloc(connections, sizeof *all);
    for (uint32_t i = 0; i < connections; i++) {
        open_connection(&all[i], (uint16_t)atoi(argv[1]));
        while (all[i].opened < openings.count) step(0);
    }
    start_ns = now_ns();
    for (uint32_t i = 0; i < connections; i++) send_more(&all[i]);
    while (replies < total) step(1);
    qsort(latency_ns, replies, sizeof *latency_ns, compare);
    printf("{\"replies\":%lu,\"good\":%lu,\"seconds\":%.6f,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f}\n",
           replies, good, (double)(end_ns - start_ns) / 1e9, quantile_us(.5), quantile_us(.9), quantile_us(.99), quantile_us(.999), quantile_us(1));
    return 0;
}
