/* The bytes of each protocol, as far as a subscriber and a publisher of this benchmark need them.
 *
 * Client frames are masked with a key of zeros: RFC 6455 asks for a mask, and the payload stays
 * as it is. Nothing is negotiated, so nothing comes compressed.
 */
#define _GNU_SOURCE
#include "fanout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WS_PING = 9, WS_PONG = 10, WS_CLOSE = 8, MQTT_PUBLISH = 3, MQTT_CONNACK = 2,
       MQTT_SUBACK = 9, INNER_BYTES = 1 << 20 };

static const char *names[WIRES] = {"ws", "sse", "post", "mqtt", "nats", "natsws", "sio"};

enum wire wire_named(const char *name) {
    for (int i = 0; i < WIRES; i++)
        if (!strcmp(name, names[i])) return (enum wire)i;
    die("no wire is called %s", name);
}

size_t expand(char *out, const char *text, uint32_t number, const char *mark) {
    char *at = out, digits[16];
    snprintf(digits, sizeof digits, "%u", topics ? number : 0);
    while (*text) {
        const char *value = NULL;
        size_t skip = 0;
        if (!strncmp(text, "{n}", 3)) value = digits, skip = 3;
        else if (!strncmp(text, "{mark}", 6)) value = mark, skip = 6;
        else if (!strncmp(text, "{line}", 6)) value = line_of(number), skip = 6;
        if (!value) {
            *at++ = *text++;
            continue;
        }
        size_t n = strlen(value);
        if ((size_t)(at - out) + n > TEXT_BYTES / 2) die("a frame is too long");
        memcpy(at, value, n);
        at += n;
        text += skip;
    }
    *at = 0;
    return (size_t)(at - out);
}

static size_t http_request(const struct conn *c, char *out) {
    const struct side *s = c->side;
    size_t used;
    out[0] = 0;
    used = (size_t)sprintf(out, "GET ");
    used += expand(out + used, s->path, c->index, "");
    used += (size_t)sprintf(out + used, " HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", s->port);
    if (s->wire == SSE)
        used += (size_t)sprintf(out + used, "Accept: text/event-stream\r\n");
    else
        used += (size_t)sprintf(out + used, "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    for (int i = 0; i < header_count; i++) {
        used += expand(out + used, header_lines[i], c->index, "");
        used += (size_t)sprintf(out + used, "\r\n");
    }
    return used + (size_t)sprintf(out + used, "\r\n");
}

static size_t mqtt_packet(char *out, int first, const char *body, size_t length) {
    size_t used = 0, left = length;
    out[used++] = (char)first;
    do {
        out[used] = (char)(left & 127);
        left >>= 7;
        if (left) out[used] |= (char)128;
        used++;
    } while (left);
    memcpy(out + used, body, length);
    return used + length;
}

static size_t mqtt_string(char *out, const char *text) {
    size_t n = strlen(text);
    out[0] = (char)(n >> 8);
    out[1] = (char)n;
    memcpy(out + 2, text, n);
    return n + 2;
}

static size_t mqtt_greeting(const struct conn *c, char *out, const char *topic) {
    char body[TEXT_BYTES / 4], name[32];
    size_t n = mqtt_string(body, "MQTT");
    body[n++] = 4;              /* 3.1.1 */
    body[n++] = 2;              /* clean session */
    body[n++] = 0;              /* no keep-alive: a run is short */
    body[n++] = 0;
    snprintf(name, sizeof name, "%c%u", c->publisher ? 'p' : 's', c->index);
    n += mqtt_string(body + n, name);
    size_t used = mqtt_packet(out, 0x10, body, n);
    if (c->publisher) return used;
    n = 0;
    body[n++] = 0;
    body[n++] = 1;              /* packet identifier */
    n += mqtt_string(body + n, topic);
    body[n++] = 0;              /* QoS 0 */
    return used + mqtt_packet(out + used, 0x82, body, n);
}

static size_t nats_greeting(const struct conn *c, char *out, const char *topic) {
    size_t n = (size_t)sprintf(out, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
    if (!c->publisher) n += (size_t)sprintf(out + n, "SUB %s 1\r\n", topic);
    return n + (size_t)sprintf(out + n, "PING\r\n");
}

size_t greeting(const struct conn *c, char *out, const char *topic) {
    char text[TEXT_BYTES / 2];
    switch (c->side->wire) {
    case MQTT: return mqtt_greeting(c, out, topic);
    case NATS: return nats_greeting(c, out, topic);
    case POST: return 0;
    case NATSWS:
        if (c->upgraded) return framed(NATSWS, out, text, nats_greeting(c, text, topic));
        /* fall through */
    default: return http_request(c, out);
    }
}

size_t framed(enum wire wire, char *out, const char *text, size_t length) {
    if (wire != WS && wire != SIO && wire != NATSWS) {
        memcpy(out, text, length);
        return length;
    }
    size_t used = 0;
    out[used++] = (char)(wire == NATSWS ? 0x82 : 0x81);
    if (length < 126) {
        out[used++] = (char)(0x80 | length);
    } else {
        out[used++] = (char)(0x80 | 126);
        out[used++] = (char)(length >> 8);
        out[used++] = (char)length;
    }
    memset(out + used, 0, 4);
    memcpy(out + used + 4, text, length);
    return used + 4 + length;
}

size_t publication(const struct side *side, char *out, const char *topic, const char *payload,
                   size_t length) {
    char text[TEXT_BYTES / 2];
    size_t n;
    switch (side->wire) {
    case POST:
        n = (size_t)sprintf(out, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", side->path,
                            side->port);
        for (int i = 0; i < header_count; i++) {
            n += expand(out + n, header_lines[i], 0, "");
            n += (size_t)sprintf(out + n, "\r\n");
        }
        n += (size_t)sprintf(out + n, "Content-Type: application/json\r\n"
                             "Content-Length: %zu\r\n\r\n", length);
        memcpy(out + n, payload, length);
        return n + length;
    case MQTT:
        n = mqtt_string(text, topic);
        memcpy(text + n, payload, length);
        return mqtt_packet(out, 0x30, text, n + length);
    case NATS:
    case NATSWS:
        n = (size_t)sprintf(text, "PUB %s %zu\r\n", topic, length);
        memcpy(text + n, payload, length);
        memcpy(text + n + length, "\r\n", 2);
        return framed(side->wire, out, text, n + length + 2);
    default: return framed(side->wire, out, payload, length);
    }
}

static size_t consume_nats(struct conn *c, const char *data, size_t length) {
    size_t at = 0;
    while (at < length) {
        const char *begin = data + at, *end = memchr(begin, '\n', length - at);
        if (!end) break;
        size_t line = (size_t)(end - begin) + 1;
        if (!strncmp(begin, "MSG ", 4)) {
            const char *digits = end - 1;           /* at the carriage return */
            while (digits[-1] != ' ') digits--;
            size_t size = strtoul(digits, NULL, 10);
            if (at + line + size + 2 > length) break;
            got_unit(c, begin + line, size);
            at += line + size + 2;
            continue;
        }
        if (!strncmp(begin, "PING", 4)) {
            char out[32];
            send_all(c, out, framed(c->side->wire, out, "PONG\r\n", 6));
        } else if (!strncmp(begin, "PONG", 4)) {
            greeted(c);
        } else if (!strncmp(begin, "-ERR", 4)) {
            die("nats: %.*s", (int)line - 2, begin);
        }
        at += line;
    }
    return at;
}

/* NATS over WebSocket: a message may begin in one frame and end in the next. */
static void inner_nats(struct conn *c, const char *data, size_t length) {
    if (c->inner_used) {
        if (c->inner_used + length > INNER_BYTES) die("nats: a message over %d B", INNER_BYTES);
        c->inner = realloc(c->inner, c->inner_used + length);
        memcpy(c->inner + c->inner_used, data, length);
        data = c->inner;
        length += c->inner_used;
    }
    size_t used = consume_nats(c, data, length);
    c->inner_used = (uint32_t)(length - used);
    if (!c->inner_used) return;
    char *rest = malloc(c->inner_used);
    memcpy(rest, data + used, c->inner_used);
    free(c->inner);
    c->inner = rest;
}

static void ws_frame(struct conn *c, int opcode, const char *data, size_t length) {
    char out[160];
    if (opcode == WS_PING && length < 126) {
        size_t n = framed(WS, out, data, length);
        out[0] = (char)(0x80 | WS_PONG);
        send_all(c, out, n);
    } else if (opcode == WS_CLOSE) {
        int code = length >= 2 ? (unsigned char)data[0] << 8 | (unsigned char)data[1] : 0;
        die("connection %u was closed with %d %.*s", c->index, code,
            length > 2 ? (int)length - 2 : 0, data + 2);
    } else if (opcode <= 2) {
        if (c->side->wire == NATSWS) inner_nats(c, data, length);
        else if (c->side->wire == SIO && length == 1 && *data == '2')
            send_all(c, out, framed(SIO, out, "3", 1));     /* Engine.IO's ping */
        else got_unit(c, data, length);
    }
}

static size_t consume_ws(struct conn *c, const char *data, size_t length) {
    size_t at = 0;
    while (length - at >= 2) {
        const unsigned char *head = (const unsigned char *)data + at;
        size_t size = head[1] & 127, extra = size == 126 ? 2 : size == 127 ? 8 : 0;
        if (length - at < 2 + extra) break;
        if (extra) size = 0;
        for (size_t i = 0; i < extra; i++) size = size << 8 | head[2 + i];
        if (length - at - 2 - extra < size) break;
        if (head[0] & 0x70) die("a frame has reserved bits: nothing was negotiated");
        ws_frame(c, head[0] & 15, data + at + 2 + extra, size);
        at += 2 + extra + size;
    }
    return at;
}

static size_t consume_mqtt(struct conn *c, const char *data, size_t length) {
    size_t at = 0;
    while (length - at >= 2) {
        size_t size = 0, used = 1;
        int shift = 0, whole = 0;
        while (at + used < length && shift <= 21) {
            unsigned char byte = (unsigned char)data[at + used++];
            size |= (size_t)(byte & 127) << shift;
            shift += 7;
            if ((whole = !(byte & 128))) break;
        }
        if (!whole || length - at - used < size) break;
        int kind = (unsigned char)data[at] >> 4;
        const char *body = data + at + used;
        if (kind == MQTT_PUBLISH) got_unit(c, body, size);
        else if (kind == MQTT_CONNACK && body[1]) die("mqtt: refused with %d", body[1]);
        else if (kind == (c->publisher ? MQTT_CONNACK : MQTT_SUBACK)) greeted(c);
        at += used + size;
    }
    return at;
}

/* The empty line that ends an event. memmem looks at each byte of a needle so short; memchr at many
 * at once, and an event has few lines: the load must not be what an event stream waits for. */
static const char *empty_line(const char *data, const char *end) {
    while ((data = memchr(data, '\n', (size_t)(end - data))) && data + 1 < end) {
        if (data[1] == '\n') return data;
        data++;
    }
    return NULL;
}

/* An event ends with an empty line, and its chunk with another line; the length of the next chunk
 * before the next event does no harm. */
static size_t consume_sse(struct conn *c, const char *data, size_t length) {
    size_t at = 0;
    const char *end;
    while (at < length && (end = empty_line(data + at, data + length))) {
        got_unit(c, data + at, (size_t)(end - data) - at);
        at = (size_t)(end - data) + 2;
        if (length - at >= 2 && !memcmp(data + at, "\r\n", 2)) at += 2;
    }
    return at;
}

/* Answers to pipelined requests: only their status counts. */
static size_t consume_answers(struct conn *c, const char *data, size_t length) {
    size_t at = 0;
    const char *begin;
    (void)c;
    while ((begin = memmem(data + at, length - at, "HTTP/1.1 ", 9))) {
        at = (size_t)(begin - data);
        if (length - at < 13) return at;
        if (begin[9] != '2') die("a publish was answered %.200s", begin);
        at += 9;
    }
    return length - at > 8 ? length - 8 : at;       /* the beginning may be of the next one */
}

static size_t consume_head(struct conn *c, const char *data, size_t length) {
    const char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    const char *wanted = c->side->wire == SSE ? "200" : "101";
    if (length < 12 || memcmp(data + 9, wanted, 3))
        die("connection %u: wanted %s, got %.*s", c->index, wanted, 300 < length ? 300 : (int)length,
            data);
    c->upgraded = 1;
    greeted(c);
    return (size_t)(end - data) + 4;
}

size_t consume(struct conn *c, const char *data, size_t length) {
    size_t used = 0;
    if (!c->upgraded && !(used = consume_head(c, data, length))) return 0;
    data += used;
    length -= used;
    switch (c->side->wire) {
    case SSE: return used + consume_sse(c, data, length);
    case POST: return used + consume_answers(c, data, length);
    case MQTT: return used + consume_mqtt(c, data, length);
    case NATS: return used + consume_nats(c, data, length);
    default: return used + consume_ws(c, data, length);
    }
}
