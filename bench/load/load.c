/* HTTP/1.1 keep-alive load for one loopback server, one request at a time on each connection.
 *
 * Prints one JSON object: requests/s, latency percentiles, answers by status, errors and the
 * share of a core this program used itself, so that a reader can tell which side saturated.
 *
 * It polls with a zero time-out and naps when nothing is ready. A generator that blocks in
 * epoll_wait makes the server pay a wake-up inside each of its sends, and one then measures the
 * scheduler; the nap keeps the other core (often a sibling thread) from being starved by spinning.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_CONNECTIONS = 4096,
    BUFFER_BYTES = 65536,       /* an answer larger than this is an error: ours are under 1 kB */
    REQUEST_BYTES = 65536,
    MAX_EVENTS = 256,
    MAX_SAMPLES = 8000000,      /* 4 bytes each; 60 s at 130,000 requests/s */
    NAP_NS = 50000,             /* bounds what polling can add to a latency: 0.05 ms */
    CONNECT_TIMEOUT_S = 2,
    GRACE_S = 5,                /* SIGALRM ends a stuck run this long after its time */
    STATUS_LIMIT = 600,
    KEY_DIGITS = 16,
    MAX_HEADERS = 32,
};

struct connection {
    int fd;
    int waiting;                /* a request is out */
    size_t used;
    uint64_t sent_ns;
    char *buffer;
};

static struct connection connections[MAX_CONNECTIONS];
static char request[REQUEST_BYTES];
static size_t request_length;
static char *key_digits;        /* inside `request`, or NULL */
static uint64_t key_counter;
static uint32_t *samples;
static size_t sample_count;
static uint64_t statuses[STATUS_LIMIT], completed, errors;
static int measuring, poller;
static struct sockaddr_in address;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static double cpu_seconds(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void fail(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void send_request(struct connection *c) {
    if (key_digits) {
        static const char hex[] = "0123456789abcdef";
        uint64_t value = key_counter++;
        for (int i = KEY_DIGITS - 1; i >= 0; i--, value >>= 4) key_digits[i] = hex[value & 15];
    }
    c->used = 0;
    c->waiting = 1;
    c->sent_ns = now_ns();
    /* A request is far smaller than an empty socket buffer: a short write is a broken peer. */
    ssize_t n = send(c->fd, request, request_length, MSG_NOSIGNAL);
    if (n != (ssize_t)request_length) errors += measuring;
}

static int open_connection(struct connection *c) {
    struct timeval limit = {CONNECT_TIMEOUT_S, 0};
    int one = 1;
    c->waiting = 0;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0) fail("socket");
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(c->fd);
        c->fd = -1;
        return 0;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0) fail("epoll_ctl");
    return 1;
}

static void reopen(struct connection *c) {
    if (c->waiting) errors += measuring;
    if (c->fd >= 0) close(c->fd);
    if (open_connection(c)) send_request(c);
}

/* The length of the whole answer in the buffer, or 0 while it is incomplete. */
static size_t answer_length(const struct connection *c, int *status) {
    char *end = memmem(c->buffer, c->used, "\r\n\r\n", 4);
    if (!end || c->used < 12) return 0;
    size_t head = (size_t)(end - c->buffer) + 4;
    *status = atoi(c->buffer + 9);
    if (*status == 204 || *status == 304) return head;
    for (char *line = c->buffer; line < end;) {
        if (!strncasecmp(line, "content-length:", 15)) {
            size_t total = head + strtoul(line + 15, NULL, 10);
            return c->used >= total ? total : 0;
        }
        char *next = memmem(line, (size_t)(end - line) + 2, "\r\n", 2);
        if (!next) break;
        line = next + 2;
    }
    /* Chunked: with one request out, the last chunk is the end of what was received. */
    return c->used >= head + 5 && !memcmp(c->buffer + c->used - 5, "0\r\n\r\n", 5) ? c->used : 0;
}

static void readable(struct connection *c) {
    ssize_t n = recv(c->fd, c->buffer + c->used, BUFFER_BYTES - 1 - c->used, 0);
    if (n <= 0) {
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        reopen(c);
        return;
    }
    c->used += (size_t)n;
    c->buffer[c->used] = 0;
    int status = 0;
    if (!answer_length(c, &status)) {
        if (c->used >= BUFFER_BYTES - 1) reopen(c);
        return;
    }
    if (measuring) {
        completed++;
        statuses[status > 0 && status < STATUS_LIMIT ? status : 0]++;
        if (sample_count < MAX_SAMPLES)
            samples[sample_count++] = (uint32_t)((now_ns() - c->sent_ns) / 1000);
    }
    c->waiting = 0;
    send_request(c);
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(double share) {
    if (!sample_count) return 0;
    return samples[(size_t)(share * (double)(sample_count - 1))] / 1000.0;
}

static void append(const char *text) {
    size_t n = strlen(text);
    if (request_length + n >= REQUEST_BYTES) {
        fprintf(stderr, "load: the request is over %d bytes\n", REQUEST_BYTES);
        exit(2);
    }
    memcpy(request + request_length, text, n + 1);
    request_length += n;
}

static void build_request(int port, const char *method, const char *path, const char *body,
                          char **headers, int header_count, int keys) {
    char line[512];
    append(method);
    append(" ");
    append(path);
    snprintf(line, sizeof line, " HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", port);
    append(line);
    if (*body) {
        snprintf(line, sizeof line,
                 "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
        append(line);
    }
    for (int i = 0; i < header_count; i++) {
        append(headers[i]);
        append("\r\n");
    }
    if (keys) {
        /* Unique across runs too: a store that outlives one run must not replay its answers. */
        snprintf(line, sizeof line, "Idempotency-Key: \"%08x%08x-", (unsigned)getpid(),
                 (unsigned)(now_ns() >> 10));
        append(line);
        key_digits = request + request_length;
        append("0000000000000000\"\r\n");
    }
    append("\r\n");
    append(body);
}

int main(int argc, char **argv) {
    int port = 0, count = 64, keys = 0, header_count = 0, option;
    double duration = 5, warmup = 1;
    const char *method = "GET", *path = "/", *body = "";
    char *headers[MAX_HEADERS];
    while ((option = getopt(argc, argv, "p:c:d:w:m:u:b:H:k")) != -1) {
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'c': count = atoi(optarg); break;
        case 'd': duration = atof(optarg); break;
        case 'w': warmup = atof(optarg); break;
        case 'm': method = optarg; break;
        case 'u': path = optarg; break;
        case 'b': body = optarg; break;
        case 'k': keys = 1; break;
        case 'H':
            if (header_count < MAX_HEADERS) headers[header_count++] = optarg;
            break;
        default: return 2;
        }
    }
    if (port <= 0 || count < 1 || count > MAX_CONNECTIONS || duration <= 0 || warmup < 0) {
        fprintf(stderr, "usage: load -p PORT [-c connections] [-d seconds] [-w warm-up seconds]\n"
                        "  [-m METHOD] [-u /path] [-b body] [-H 'Name: value']... [-k]\n"
                        "-k adds a unique Idempotency-Key to each request\n");
        return 2;
    }
    alarm((unsigned)(duration + warmup) + GRACE_S);
    prctl(PR_SET_TIMERSLACK, 1000ul); /* or a nap of 50 us would take 100 */
    build_request(port, method, path, body, headers, header_count, keys);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    samples = malloc(sizeof *samples * MAX_SAMPLES); /* touched only as far as it is used */
    poller = epoll_create1(0);
    if (!samples || poller < 0) fail("set-up");
    for (int i = 0; i < count; i++) {
        connections[i].buffer = malloc(BUFFER_BYTES);
        if (!connections[i].buffer || !open_connection(&connections[i])) fail("connect");
    }
    for (int i = 0; i < count; i++) send_request(&connections[i]);

    uint64_t begin = now_ns() + (uint64_t)(warmup * 1e9), end = begin + (uint64_t)(duration * 1e9);
    uint64_t started = 0, now;
    double cpu = 0;
    struct epoll_event events[MAX_EVENTS];
    const struct timespec nap = {0, NAP_NS};
    while ((now = now_ns()) < end) {
        if (!measuring && now >= begin) {
            measuring = 1;
            started = now;
            cpu = cpu_seconds();
        }
        int ready = epoll_wait(poller, events, MAX_EVENTS, 0);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < ready; i++) readable(events[i].data.ptr);
        if (ready <= 0) {
            nanosleep(&nap, NULL);
            for (int i = 0; i < count; i++)
                if (connections[i].fd < 0) reopen(&connections[i]);
        }
    }
    double seconds = (double)(now - started) / 1e9;
    cpu = cpu_seconds() - cpu;
    qsort(samples, sample_count, sizeof *samples, by_value);
    printf("{\"seconds\": %.3f, \"requests\": %llu, \"requests_per_s\": %.1f, "
           "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, \"errors\": %llu, "
           "\"cpu_share\": %.3f, \"statuses\": {",
           seconds, (unsigned long long)completed, (double)completed / seconds,
           percentile_ms(0.5), percentile_ms(0.99), percentile_ms(1.0),
           (unsigned long long)errors, cpu / seconds);
    const char *comma = "";
    for (int i = 0; i < STATUS_LIMIT; i++)
        if (statuses[i]) {
            printf("%s\"%d\": %llu", comma, i, (unsigned long long)statuses[i]);
            comma = ", ";
        }
    puts("}}");
    return 0;
}
