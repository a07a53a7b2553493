/* The limit of fan-out: an epoll server that only writes the frames, and does nothing else.
 *
 *   fanout_limit PORT one      one send for each message and subscriber
 *   fanout_limit PORT joined   what one turn of the loop published to a topic is joined; one send
 *
 * A subscriber is a WebSocket at /ws/TOPIC or an event stream at /sse/TOPIC, a publisher a
 * WebSocket at /publish or requests POST /publish; both send `TOPIC MESSAGE`, TOPIC a number, and
 * MESSAGE is passed on as it is: it has to be what the product compared with would have written.
 * Nothing is checked that costs time, so this is no server for anything else.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FD = 65536, MAX_TOPICS = 65536, MAX_EVENTS = 512, READ_BYTES = 1 << 18, BACKLOG = 2048 };
enum kind { NEW, WS_SUBSCRIBER, SSE_SUBSCRIBER, WS_PUBLISHER, HTTP_PUBLISHER };

struct conn {
    int kind;
    uint32_t rest_used, pending_used;
    char *rest;         /* of a frame or request whose end has not come */
    char *pending;      /* what the socket did not take */
};
struct topic { int *fds; uint32_t count, capacity; char *ws, *sse; size_t ws_used, sse_used; };

static struct conn conns[MAX_FD];
static struct topic topics[MAX_TOPICS];
static uint32_t touched[MAX_TOPICS], touched_count;
static int poller, joined;
static char buffer[READ_BYTES];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void hang_up(int fd) {
    struct conn *c = &conns[fd];
    for (uint32_t t = 0; t < MAX_TOPICS && c->kind <= SSE_SUBSCRIBER; t++)
        for (uint32_t i = 0; i < topics[t].count; i++)
            if (topics[t].fds[i] == fd) topics[t].fds[i] = topics[t].fds[--topics[t].count];
    free(c->rest);
    free(c->pending);
    memset(c, 0, sizeof *c);
    close(fd);
}

static void wait_for(int fd, uint32_t what) {
    struct epoll_event event = {.events = what, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_MOD, fd, &event);
}

static void write_out(int fd, const char *data, size_t length) {
    struct conn *c = &conns[fd];
    ssize_t n = c->pending_used ? 0 : send(fd, data, length, MSG_NOSIGNAL);
    if (n < 0) n = 0;                   /* a reset is noticed when it is read */
    if ((size_t)n == length) return;
    if (!c->pending_used) wait_for(fd, EPOLLIN | EPOLLOUT);
    c->pending = realloc(c->pending, c->pending_used + length - (size_t)n);
    memcpy(c->pending + c->pending_used, data + n, length - (size_t)n);
    c->pending_used += (uint32_t)(length - (size_t)n);
}

static void write_pending(int fd) {
    struct conn *c = &conns[fd];
    ssize_t n = send(fd, c->pending, c->pending_used, MSG_NOSIGNAL);
    if (n <= 0) return;
    memmove(c->pending, c->pending + n, c->pending_used - (size_t)n);
    if ((c->pending_used -= (uint32_t)n)) return;
    free(c->pending);
    c->pending = NULL;
    wait_for(fd, EPOLLIN);
}

static size_t as_frame(char *out, const char *data, size_t length) {
    size_t used = 0;
    out[used++] = (char)0x81;
    if (length < 126) {
        out[used++] = (char)length;
    } else {
        out[used++] = 126;
        out[used++] = (char)(length >> 8);
        out[used++] = (char)length;
    }
    memcpy(out + used, data, length);
    return used + length;
}

static void deliver(struct topic *t) {
    for (uint32_t i = 0; i < t->count; i++) {
        int sse = conns[t->fds[i]].kind == SSE_SUBSCRIBER;
        write_out(t->fds[i], sse ? t->sse : t->ws, sse ? t->sse_used : t->ws_used);
    }
    t->ws_used = t->sse_used = 0;
}

static void publish(const char *data, size_t length) {
    const char *end = memchr(data, ' ', length);
    if (!end) return;
    uint32_t number = (uint32_t)atoi(data) % MAX_TOPICS;
    struct topic *t = &topics[number];
    length -= (size_t)(end - data) + 1;
    data = end + 1;
    if (!t->ws_used) touched[touched_count++] = number;
    t->ws = realloc(t->ws, t->ws_used + length + 16);
    t->sse = realloc(t->sse, t->sse_used + length + 32);
    t->ws_used += as_frame(t->ws + t->ws_used, data, length);
    t->sse_used += (size_t)sprintf(t->sse + t->sse_used, "%zx\r\n", length);
    memcpy(t->sse + t->sse_used, data, length);
    t->sse_used += length;
    memcpy(t->sse + t->sse_used, "\r\n", 3);
    t->sse_used += 2;
    if (joined) return;
    deliver(t);
    touched_count = 0;
}

static void subscribe(int fd, uint32_t number) {
    struct topic *t = &topics[number % MAX_TOPICS];
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? t->capacity * 2 : 1;
        t->fds = realloc(t->fds, t->capacity * sizeof *t->fds);
    }
    t->fds[t->count++] = fd;
}

static size_t greet(int fd, char *data, size_t length) {
    static const char upgrade[] =       /* the key of the load generator is always the same one */
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    static const char stream[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                 "Transfer-Encoding: chunked\r\n\r\n";
    char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    struct conn *c = &conns[fd];
    if (!memcmp(data, "POST", 4)) {
        c->kind = HTTP_PUBLISHER;
        return 0;                       /* its head is needed again */
    }
    if (!memcmp(data, "GET /ws/", 8)) c->kind = WS_SUBSCRIBER;
    else if (!memcmp(data, "GET /sse/", 9)) c->kind = SSE_SUBSCRIBER;
    else c->kind = WS_PUBLISHER;
    if (c->kind == SSE_SUBSCRIBER) write_out(fd, stream, sizeof stream - 1);
    else write_out(fd, upgrade, sizeof upgrade - 1);
    if (c->kind != WS_PUBLISHER)
        subscribe(fd, (uint32_t)atoi(data + (c->kind == WS_SUBSCRIBER ? 8 : 9)));
    return (size_t)(end - data) + 4;
}

static size_t take_request(int fd, char *data, size_t length) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    char *size = memmem(data, (size_t)(end - data), "Content-Length: ", 16);
    size_t head = (size_t)(end - data) + 4, body = size ? strtoul(size + 16, NULL, 10) : 0;
    if (length < head + body) return 0;
    publish(data + head, body);
    write_out(fd, answer, sizeof answer - 1);
    return head + body;
}

static size_t take_frame(char *data, size_t length) {
    if (length < 6) return 0;
    unsigned char *head = (unsigned char *)data;
    size_t size = head[1] & 127, start = 6;
    if (size == 126) {
        size = (size_t)head[2] << 8 | head[3];
        start = 8;
    }
    if (length < start + size) return 0;
    for (size_t i = 0; i < size; i++) data[start + i] ^= data[start - 4 + (i & 3)];
    if ((head[0] & 15) == 1) publish(data + start, size);
    return start + size;
}

static void readable(int fd) {
    struct conn *c = &conns[fd];
    memcpy(buffer, c->rest, c->rest_used);
    ssize_t n = recv(fd, buffer + c->rest_used, READ_BYTES - 1 - c->rest_used, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        hang_up(fd);
        return;
    }
    size_t have = c->rest_used + (size_t)n, at = 0, used;
    buffer[have] = 0;
    if (c->kind == NEW) at = greet(fd, buffer, have);
    while (c->kind != NEW && at < have) {
        used = c->kind == HTTP_PUBLISHER ? take_request(fd, buffer + at, have - at)
                                         : take_frame(buffer + at, have - at);
        if (!used) break;
        at += used;
    }
    free(c->rest);
    c->rest = NULL;
    if (!(c->rest_used = (uint32_t)(have - at))) return;
    c->rest = malloc(c->rest_used);
    memcpy(c->rest, buffer + at, c->rest_used);
}

static void accept_all(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd >= MAX_FD || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    joined = !strcmp(argv[2], "joined");
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
    if (listen(listener, BACKLOG) < 0) fail("listen");
    poller = epoll_create1(0);
    struct epoll_event events[MAX_EVENTS], event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) fail("epoll_ctl");
    for (;;) {
        int found = epoll_wait(poller, events, MAX_EVENTS, -1);
        for (int i = 0; i < found; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(listener);
                continue;
            }
            if (events[i].events & EPOLLOUT) write_pending(fd);
            if (events[i].events & (EPOLLIN | EPOLLHUP)) readable(fd);
        }
        for (uint32_t i = 0; i < touched_count; i++) deliver(&topics[touched[i]]);
        touched_count = 0;
    }
}
