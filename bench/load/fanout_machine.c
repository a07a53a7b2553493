/* Clocks, processor time, files and the end of the fan-out load generator: nothing of its own. */
#define _GNU_SOURCE
#include "fanout.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PIDS = 16 };

int watched_core;
static int pids[MAX_PIDS], pid_count;
static char *lines, **line_starts;
static size_t line_count;

void die(const char *format, ...) {
    char text[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    for (char *at = text; *at; at++)        /* one line: it is shown in a table */
        if (*at < ' ') *at = ' ';
    fprintf(stderr, "fanout: %s\n", text);
    exit(1);
}

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

double own_cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

double server_cpu(void) {
    unsigned long ticks = 0, user, system;
    char path[64], text[1024];
    for (int i = 0; i < pid_count; i++) {
        snprintf(path, sizeof path, "/proc/%d/stat", pids[i]);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        text[fread(text, 1, sizeof text - 1, file)] = 0;
        fclose(file);
        char *end = strrchr(text, ')');     /* proc(5): 14 utime, 15 stime */
        if (end && sscanf(end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                          &system) == 2) ticks += user + system;
    }
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

double core_busy(void) {
    char line[512], name[16];
    unsigned long long user, nice, system, idle, iowait, irq, softirq, steal, busy = 0;
    FILE *file = fopen("/proc/stat", "r");
    snprintf(name, sizeof name, "cpu%d ", watched_core);
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name)) &&
            sscanf(line + strlen(name), "%llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
                   &system, &idle, &iowait, &irq, &softirq, &steal) == 8)
            busy = user + nice + system + irq + softirq + steal;
    if (file) fclose(file);
    return (double)busy / (double)sysconf(_SC_CLK_TCK);
}

void watch(int pid) {
    if (pid_count < MAX_PIDS) pids[pid_count++] = pid;
}

const char *line_of(uint32_t number) {
    return line_count ? line_starts[number % line_count] : "";
}

void read_lines(const char *path) {
    FILE *file = fopen(path, "r");
    size_t capacity = 0;
    if (!file || getdelim(&lines, &capacity, 0, file) < 0) die("%s cannot be read", path);
    fclose(file);
    line_starts = malloc(sizeof *line_starts * (strlen(lines) + 1));
    for (char *at = strtok(lines, "\n"); at; at = strtok(NULL, "\n"))
        line_starts[line_count++] = at;
}
