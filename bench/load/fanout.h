/* What the parts of the fan-out load generator share: connections, templates, wires.
 *
 * fanout.c opens connections and drives messages, fanout_wire.c knows the bytes of each protocol,
 * fanout_machine.c reads clocks.
 */
#ifndef BENCH_FANOUT_H
#define BENCH_FANOUT_H

#include <stddef.h>
#include <stdint.h>

enum {
    MARK_BYTES = 9,             /* '~' and eight digits: the number of a message in its payload */
    MAX_STEPS = 4,              /* frames a client sends and waits for after its handshake */
    TEXT_BYTES = 8192,          /* a request or a frame of ours; they are under 1 kB */
};

enum wire { WS, SSE, POST, MQTT, NATS, NATSWS, SIO, WIRES };

/* What one side (subscribers, or the publisher) says, with {n} {line} {mark} still in it. */
struct side {
    enum wire wire;
    int port;
    const char *path;
    const char *send[MAX_STEPS], *expect[MAX_STEPS];
    int sends, expects;
};

struct conn {
    int fd;
    uint32_t index;             /* its number, and its topic's where each has its own */
    int8_t upgraded;            /* the HTTP answer is behind it, or the wire has none */
    int8_t step;                /* of its side's steps; `steps` when it is ready */
    int8_t publisher;
    struct side *side;
    char *rest, *inner;         /* the beginning of a unit whose end has not come */
    uint32_t rest_used, inner_used;
    uint32_t next;              /* the lowest message it has not got */
    uint64_t seen;              /* those above it that it has, by bit */
};

enum wire wire_named(const char *name);
/* Fill in a template for the connection or topic of this number. */
size_t expand(char *out, const char *text, uint32_t number, const char *mark);
/* The first bytes of a connection: an HTTP request, or what its protocol begins with. */
size_t greeting(const struct conn *c, char *out, const char *topic);
/* A frame of text after the greeting. */
size_t framed(enum wire wire, char *out, const char *text, size_t length);
/* A message as the publisher sends it. */
size_t publication(const struct side *side, char *out, const char *topic, const char *payload,
                   size_t length);
/* Take whole units out of what came; how many bytes they had. */
size_t consume(struct conn *c, const char *data, size_t length);

/* fanout.c: what the wires call. */
extern uint32_t topics;         /* as many as subscribers, or 0: all share topic 0 */
extern char **header_lines;
extern int header_count;
void got_unit(struct conn *c, const char *data, size_t length);
void greeted(struct conn *c);
void send_all(struct conn *c, const char *data, size_t length);

/* fanout_machine.c */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
uint64_t now_ns(void);
double own_cpu(void);
double server_cpu(void);        /* of the processes that are watched */
extern int watched_core;
double core_busy(void);         /* seconds it was not idle, with what the hypervisor took */
void watch(int pid);
void read_lines(const char *path);
const char *line_of(uint32_t number);   /* what stands for {line} */

#endif
