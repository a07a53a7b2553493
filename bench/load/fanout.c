/* Subscribers and one publisher: counts deliveries, and that each message came exactly once.
 *
 * Opens connections (-n), publishes with W messages in flight (-r N:W, one after another; N only
 * grows), and prints a line of JSON for each step. A message carries its number as `~00000042`;
 * it is done when every subscriber of its topic has it, and only then is the next one published.
 * What is lost, doubled, out of order or on a wrong topic is counted and printed.
 *
 * It polls and naps like load.c, for the reason given there. It reads its own processor time and
 * the server's (-k PID), so that a reader can tell which side saturated.
 */
#define _GNU_SOURCE
#include "fanout.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_CONNECTIONS = 50000,
    MAX_EVENTS = 512,
    READ_BYTES = 1 << 20,       /* one read takes what sixteen messages and more need */
    RING = 1 << 16,             /* messages that are remembered; far more than are in flight */
    WINDOW = 64,                /* a connection remembers those it has by bit */
    OPENING = 64,               /* handshakes at once: below every server's backlog */
    MAX_SAMPLES = 4000000,
    MAX_PHASES = 16,
    MAX_HEADERS = 16,
    SPREAD = 7919,              /* a prime: one message after another goes to far topics */
    NAP_NS = 50000,             /* bounds what polling can add to a latency: 0.05 ms */
    FEW = 64,                   /* ready at once: with fewer it pays to let more come meanwhile */
    STALL_S = 15,               /* nothing came for so long: what is missing is lost */
    PATIENCE = 5,               /* times its duration, and as many seconds: a slow server's phase */
    OPEN_S = 120,
};

struct message { uint64_t sent_ns, first_ns; uint32_t got, topic; uint8_t sampled; };

static struct conn *conns, publisher;
static struct side sub_side, pub_side;
static const char *topic_template = "{n}", *template, *error_text = "";
uint32_t topics;
static uint32_t opened, ready, next_id, lowest, in_flight, wanted_in_flight;
static struct message ring[RING];
static uint64_t deliveries, duplicates, misordered, misrouted, last_delivery_ns;
static uint32_t *firsts, *lasts;
static size_t samples;
static int publishing, sampling, poller;
static char *outbox;
static size_t outbox_used;
static volatile sig_atomic_t told;
static char buffer[READ_BYTES];
char **header_lines;
int header_count;

void send_all(struct conn *c, const char *data, size_t length) {
    while (length) {
        ssize_t n = send(c->fd, data, length, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) die("send: %s", strerror(errno));
        if (n < 0) {
            struct timespec nap = {0, NAP_NS};
            nanosleep(&nap, NULL);
            continue;
        }
        data += n;
        length -= (size_t)n;
    }
}

static size_t topic_of(char *out, uint32_t number) {
    return expand(out, topic_template, number, "");
}

static void go_on(struct conn *c) {
    struct side *s = c->side;
    char text[TEXT_BYTES], out[TEXT_BYTES];
    for (;; c->step++) {
        if (c->step >= s->sends && c->step >= s->expects) break;
        if (c->step < s->sends && *s->send[c->step]) {
            size_t n = expand(text, s->send[c->step], c->index, "");
            send_all(c, out, framed(s->wire, out, text, n));
        }
        if (c->step < s->expects && *s->expect[c->step]) return;
    }
    c->step = MAX_STEPS;
    c->next = next_id;
    if (!c->publisher) ready++;
}

void greeted(struct conn *c) {
    char topic[256], out[TEXT_BYTES];
    if (c->step >= 0) return;
    if (++c->step == 0) {
        go_on(c);
        return;
    }
    topic_of(topic, c->index);
    send_all(c, out, greeting(c, out, topic));      /* NATS' own, after WebSocket's */
}

static void open_one(struct conn *c, uint32_t index, struct side *side) {
    char topic[256], out[TEXT_BYTES];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)side->port)};
    int one = 1;
    memset(c, 0, sizeof *c);
    c->index = index;
    c->side = side;
    c->publisher = c == &publisher;
    c->step = side->wire == NATSWS ? -2 : -1;
    c->upgraded = side->wire == MQTT || side->wire == NATS || side->wire == POST;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0) die("socket %u: %s (ulimit -n)", index, strerror(errno));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect %u: %s", index, strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    /* Edge-triggered: or the kernel would look at each connection twice for each message. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0) die("epoll_ctl");
    topic_of(topic, index);
    send_all(c, out, greeting(c, out, topic));
    if (side->wire == POST) greeted(c);
}

static void publish(void) {
    char mark[MARK_BYTES + 4], topic[256], payload[TEXT_BYTES / 4];
    uint32_t id = next_id++, number = topics ? (uint32_t)((uint64_t)id * SPREAD % topics) : 0;
    snprintf(mark, sizeof mark, "~%08u", id % 100000000u);
    size_t n = expand(payload, template, number, mark);
    topic_of(topic, number);
    outbox_used += publication(&pub_side, outbox + outbox_used, topic, payload, n);
    ring[id % RING] = (struct message){.sent_ns = now_ns(), .topic = number,
                                       .sampled = (uint8_t)sampling};
    in_flight++;
}

static void done(uint32_t id, uint64_t now) {
    struct message *m = &ring[id % RING];
    in_flight--;
    if (m->sampled && samples < MAX_SAMPLES) {
        firsts[samples] = (uint32_t)((m->first_ns - m->sent_ns) / 1000);
        lasts[samples++] = (uint32_t)((now - m->sent_ns) / 1000);
    }
    while (lowest < next_id && ring[lowest % RING].got >= (topics ? 1 : ready)) lowest++;
}

static void delivered(struct conn *c, uint32_t id, uint64_t now) {
    if (id < lowest || id >= next_id) {
        duplicates++;
        return;
    }
    struct message *m = &ring[id % RING];
    if (topics) {
        if (m->topic != c->index) misrouted++;
        else if (m->got) duplicates++;
        if (m->topic != c->index || m->got) return;
    } else {
        uint64_t bit = 1ull << ((id - c->next) & 63);
        if (id < c->next || (c->seen & bit)) {
            duplicates++;
            return;
        }
        if (id != c->next) misordered++;
        for (c->seen |= bit; c->seen & 1; c->seen >>= 1) c->next++;
    }
    deliveries++;
    last_delivery_ns = now;
    if (!m->got++) m->first_ns = now;
    if (m->got == (topics ? 1 : ready)) done(id, now);
}

static uint64_t read_ns;        /* when the bytes in hand were read */

void got_unit(struct conn *c, const char *data, size_t length) {
    const char *end = data + length;
    if (*error_text && (c->publisher || c->step < MAX_STEPS) &&
        memmem(data, length, error_text, strlen(error_text)))
        die("the server said: %.*s", length < 600 ? (int)length : 600, data);
    if (c->step < MAX_STEPS) {
        const char *wanted = c->step >= 0 ? c->side->expect[c->step] : NULL;
        if (!wanted || !memmem(data, length, wanted, strlen(wanted))) return;
        c->step++;
        go_on(c);
        return;
    }
    if (c->publisher) return;
    while ((data = memchr(data, '~', (size_t)(end - data))) && end - data >= MARK_BYTES) {
        uint32_t id = 0;
        int i;
        for (i = 1; i < MARK_BYTES && data[i] >= '0' && data[i] <= '9'; i++)
            id = id * 10 + (uint32_t)(data[i] - '0');
        if (i == MARK_BYTES) delivered(c, id, read_ns);
        data += i;
    }
}

/* What came on a connection; whether there may be more, which would not be told again. */
static int readable(struct conn *c) {
    memcpy(buffer, c->rest, c->rest_used);
    ssize_t n = recv(c->fd, buffer + c->rest_used, READ_BYTES - c->rest_used, 0);
    if (n < 0 && errno == EAGAIN) return 0;
    if (n <= 0)
        die("connection %u%s was cut%s%.*s", c->index, c->publisher ? " (publisher)" : "",
            c->rest_used ? " after " : "", (int)(c->rest_used < 300 ? c->rest_used : 300), buffer);
    read_ns = now_ns();
    size_t have = c->rest_used + (size_t)n, used = consume(c, buffer, have);
    if (have == used && !c->rest_used) return have == READ_BYTES;
    free(c->rest);
    c->rest = NULL;
    if ((c->rest_used = (uint32_t)(have - used))) {
        if (c->rest_used == READ_BYTES) die("a unit is over %d B", READ_BYTES);
        c->rest = malloc(c->rest_used);
        memcpy(c->rest, buffer + used, c->rest_used);
    }
    return have == READ_BYTES;
}

static void turn(void) {
    struct epoll_event events[MAX_EVENTS];
    int found = epoll_wait(poller, events, MAX_EVENTS, 0);
    for (int i = 0; i < found; i++)
        while (readable(events[i].data.ptr)) continue;
    if (publishing)
        while (in_flight < wanted_in_flight && next_id - lowest < WINDOW) publish();
    if (outbox_used) {
        send_all(&publisher, outbox, outbox_used);
        outbox_used = 0;
    } else if (found < FEW) {
        struct timespec nap = {0, NAP_NS};
        nanosleep(&nap, NULL);
    }
}

static void turn_until(uint64_t end) {
    while (now_ns() < end) turn();
}

/* Open up to `count` subscribers, and the publisher. */
static void open_up_to(uint32_t count) {
    uint64_t begin = now_ns(), limit = begin + OPEN_S * 1000000000ull, moved = begin;
    uint32_t before = ready, seen = ready;
    while (ready < count) {
        while (opened < count && opened - ready < OPENING) {
            open_one(&conns[opened], opened, &sub_side);
            opened++;
        }
        turn();
        if (ready > seen) moved = now_ns();
        seen = ready;
        if (now_ns() > limit || now_ns() - moved > STALL_S * 1000000000ull)
            die("%u of %u connections were ready in time", ready, count);
    }
    double seconds = (double)(now_ns() - begin) / 1e9;
    if (count > before)
        printf("{\"step\": \"opened\", \"connections\": %u, \"seconds\": %.4f, "
               "\"connects_per_s\": %.1f}\n", count, seconds, (count - before) / seconds);
    fflush(stdout);
}

/* Anew for each phase: servers end an HTTP connection that was idle for some seconds. */
static void open_publisher(void) {
    uint64_t limit = now_ns() + STALL_S * 1000000000ull;
    if (publisher.side) close(publisher.fd);
    free(publisher.rest);
    open_one(&publisher, 0, &pub_side);
    for (; publisher.step < MAX_STEPS; turn())
        if (now_ns() > limit) die("the publisher was not ready in time");
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double ms(const uint32_t *sorted, double share) {
    return samples ? sorted[(size_t)(share * (double)(samples - 1))] / 1000.0 : 0;
}

static void phase(uint32_t w, double warmup, double duration) {
    uint64_t first = next_id, doubles = duplicates, disorder = misordered, wrong = misrouted;
    samples = 0;
    wanted_in_flight = w;
    publishing = 1;
    turn_until(now_ns() + (uint64_t)(warmup * 1e9));
    sampling = 1;
    uint64_t count = deliveries, begin = now_ns(), completed = lowest;
    double own = own_cpu(), server = server_cpu(), others = core_busy();
    turn_until(begin + (uint64_t)(duration * 1e9));
    /* Deliveries come in bursts of what is in flight: fewer than one burst is no rate. */
    uint64_t limit = begin + (uint64_t)((duration + 1) * PATIENCE * 1e9);
    while (lowest - completed < w && now_ns() < limit) turn();
    double seconds = (double)(now_ns() - begin) / 1e9;
    count = deliveries - count;
    own = own_cpu() - own;
    server = server_cpu() - server;
    others = core_busy() - others - server;
    publishing = sampling = 0;
    last_delivery_ns = now_ns();
    while (lowest < next_id && now_ns() - last_delivery_ns < STALL_S * 1000000000ull) turn();
    uint64_t missed = 0;
    for (uint32_t id = lowest; id < next_id; id++)
        missed += (topics ? 1 : ready) - ring[id % RING].got;
    qsort(firsts, samples, sizeof *firsts, by_value);
    qsort(lasts, samples, sizeof *lasts, by_value);
    printf("{\"step\": \"phase\", \"connections\": %u, \"in_flight\": %u, \"seconds\": %.3f, "
           "\"messages\": %llu, \"deliveries\": %llu, \"deliveries_per_s\": %.1f, "
           "\"first_p50_ms\": %.3f, \"last_p50_ms\": %.3f, \"last_p99_ms\": %.3f, "
           "\"load_share\": %.3f, \"server_share\": %.3f, \"others_share\": %.3f, \"missed\": %llu, "
           "\"duplicates\": %llu, \"misordered\": %llu, \"misrouted\": %llu}\n",
           ready, w, seconds, (unsigned long long)(next_id - first), (unsigned long long)count,
           (double)count / seconds, ms(firsts, 0.5), ms(lasts, 0.5), ms(lasts, 0.99),
           own / seconds, server / seconds, others > 0 ? others / seconds : 0,
           (unsigned long long)missed,
           (unsigned long long)(duplicates - doubles),
           (unsigned long long)(misordered - disorder),
           (unsigned long long)(misrouted - wrong));
    fflush(stdout);
    if (missed) exit(0);        /* what comes late would be counted as doubled */
}

static void on_usr1(int number) {
    (void)number;
    told = 1;
}

int main(int argc, char **argv) {
    double duration = 2, warmup = 0.3;
    uint32_t counts[MAX_PHASES], ws[MAX_PHASES], most = 0;
    int option, phases = 0, hold = 0, sub_port = 0, pub_port = 0;
    char *headers[MAX_HEADERS];
    header_lines = headers;
    sub_side.path = pub_side.path = "/";
    while ((option = getopt(argc, argv, "p:P:s:q:u:U:a:x:A:X:H:L:T:m:e:t:r:d:w:k:c:i")) != -1) {
        switch (option) {
        case 'p': sub_port = atoi(optarg); break;
        case 'P': pub_port = atoi(optarg); break;
        case 's': sub_side.wire = wire_named(optarg); break;
        case 'q': pub_side.wire = wire_named(optarg); break;
        case 'u': sub_side.path = optarg; break;
        case 'U': pub_side.path = optarg; break;
        case 'a': if (sub_side.sends < MAX_STEPS) sub_side.send[sub_side.sends++] = optarg; break;
        case 'x': if (sub_side.expects < MAX_STEPS) sub_side.expect[sub_side.expects++] = optarg;
            break;
        case 'A': if (pub_side.sends < MAX_STEPS) pub_side.send[pub_side.sends++] = optarg; break;
        case 'X': if (pub_side.expects < MAX_STEPS) pub_side.expect[pub_side.expects++] = optarg;
            break;
        case 'H': if (header_count < MAX_HEADERS) headers[header_count++] = optarg; break;
        case 'L': read_lines(optarg); break;
        case 'T': topic_template = optarg; break;
        case 'm': template = optarg; break;
        case 'e': error_text = optarg; break;
        case 't': topics = (uint32_t)atoi(optarg); break;
        case 'd': duration = atof(optarg); break;
        case 'w': warmup = atof(optarg); break;
        case 'k': watch(atoi(optarg)); break;
        case 'c': watched_core = atoi(optarg); break;
        case 'i': hold = 1; break;
        case 'r':
            if (phases == MAX_PHASES || sscanf(optarg, "%u:%u", &counts[phases], &ws[phases]) != 2)
                die("-r wants CONNECTIONS:IN_FLIGHT");
            if (counts[phases] > most) most = counts[phases];
            phases++;
            break;
        default: return 2;
        }
    }
    if (sub_port <= 0 || !phases || !template || most > MAX_CONNECTIONS || ws[0] > WINDOW)
        die("see bench/kit/fanout.py for how it is called");
    sub_side.port = sub_port;
    pub_side.port = pub_port ? pub_port : sub_port;
    prctl(PR_SET_TIMERSLACK, 1000ul); /* or a nap of 50 us would take 100 */
    signal(SIGUSR1, on_usr1);
    conns = calloc(most, sizeof *conns);
    firsts = malloc(sizeof *firsts * MAX_SAMPLES);
    lasts = malloc(sizeof *lasts * MAX_SAMPLES);
    outbox = malloc((size_t)TEXT_BYTES * WINDOW);
    poller = epoll_create1(0);
    if (!conns || !firsts || !lasts || !outbox || poller < 0) die("set-up");
    for (int i = 0; i < phases; i++) {
        open_up_to(counts[i]);
        while (hold && !told) turn();   /* until the server's memory has been read */
        open_publisher();
        phase(ws[i], warmup, duration);
    }
    return 0;
}
