#include "bench.h"
#include "device.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

static void report_latency(cJSON *to, const char *name, const struct histogram *histogram)
{
    static const double QUANTILES[] = {0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999};
    static const struct {
        const char *name;
        double quantile;
    } KEYS[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    cJSON *latency = cJSON_AddObjectToObject(to, name);
    cJSON_AddNumberToObject(latency, "count", (double)histogram->count);
    if (!histogram->count)
        return;
    cJSON_AddNumberToObject(latency, "mean", histogram->sum_ns / (double)histogram->count / 1e3);
    for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++)
        cJSON_AddNumberToObject(latency, KEYS[i].name, (double)histogram_quantile(histogram, KEYS[i].quantile) / 1e3);
    cJSON_AddNumberToObject(latency, "max", (double)histogram->max_ns / 1e3);
    cJSON *curve = cJSON_AddArrayToObject(latency, "curve");
    for (size_t i = 0; i < sizeof(QUANTILES) / sizeof(QUANTILES[0]); i++) {
        const double point[2] = {QUANTILES[i], (double)histogram_quantile(histogram, QUANTILES[i]) / 1e3};
        cJSON_AddItemToArray(curve, cJSON_CreateDoubleArray(point, 2));
    }
    fprintf(stderr, "  %-22s p50 %9.3f  p90 %9.3f  p99 %9.3f  p99.9 %9.3f  max %9.3f ms\n", name,
            (double)histogram_quantile(histogram, 0.5) / 1e6, (double)histogram_quantile(histogram, 0.9) / 1e6,
            (double)histogram_quantile(histogram, 0.99) / 1e6, (double)histogram_quantile(histogram, 0.999) / 1e6,
            (double)histogram->max_ns / 1e6);
}

static void report_load(struct bench *bench, cJSON *to, const struct load *load)
{
    const struct stats *stats = &load->stats;
    double seconds = bench->to_ns > bench->from_ns ? (double)(bench->to_ns - bench->from_ns) / 1e9 : 0;
    if (seconds <= 0 || !stats->published)
        return;
    cJSON *item = cJSON_CreateObject();
    cJSON_AddItemToArray(to, item);
    cJSON_AddStringToObject(item, "name", load->name);
    cJSON_AddNumberToObject(item, "rate", load->rate);
    cJSON_AddNumberToObject(item, "window", (double)load->window);
    cJSON_AddNumberToObject(item, "published_per_s", (double)stats->published / seconds);
    cJSON_AddNumberToObject(item, "sent", (double)stats->sent);
    cJSON_AddNumberToObject(item, "sent_per_s", (double)stats->sent / seconds);
    cJSON_AddNumberToObject(item, "deliveries_per_s", (double)stats->taken / seconds);
    cJSON_AddNumberToObject(item, "marked_per_s", (double)stats->marked / seconds);
    cJSON_AddNumberToObject(item, "refused_per_s", (double)stats->refused / seconds);
    fprintf(stderr, "%s %s: %.0f sent/s, %.0f deliveries/s, %.0f marked/s, %.0f refused/s\n", bench->dialect->name,
            load->name, (double)stats->sent / seconds, (double)stats->taken / seconds, (double)stats->marked / seconds,
            (double)stats->refused / seconds);
    report_latency(item, "publish_to_sent", &stats->to_sent);
    report_latency(item, "publish_to_delivery", &stats->to_delivery);
    report_latency(item, "publish_to_delivered", &stats->to_marked);
    if (!stats->refused)
        return;
    report_latency(item, "accepted_to_sent", &stats->accepted);
    report_latency(item, "retry_after", &stats->advised);
}

void bench_report(struct bench *bench)
{
    cJSON *json = bench->result;
    const struct options *options = &bench->options;
    cJSON_AddStringToObject(json, "scenario", options->scenario);
    cJSON_AddStringToObject(json, "dialect", bench->dialect->name);
    cJSON_AddStringToObject(json, "label", options->label);
    cJSON_AddNumberToObject(json, "devices", bench->devices_used);
    cJSON_AddNumberToObject(json, "payload_bytes", (double)options->payload_bytes);
    cJSON_AddNumberToObject(json, "seconds", options->seconds);
    cJSON *loads = cJSON_AddArrayToObject(json, "loads");
    for (size_t i = 0; i < bench->loads_len; i++)
        report_load(bench, loads, bench->loads[i]);
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {{"expected", bench->expected},       {"taken", bench->taken},
                  {"duplicates", bench->duplicates},   {"foreign", bench->foreign},
                  {"errors", bench->errors},           {"resent", bench->resent},
                  {"reconnects", bench->reconnects},   {"acks", bench->acks},
                  {"receipts", bench->receipts},       {"events", bench->events},
                  {"turns", bench->loop.turns},        {"reads", bench->loop.reads},
                  {"writes", bench->loop.writes},      {"bytes_in", bench->loop.bytes_in},
                  {"bytes_out", bench->loop.bytes_out}};
    cJSON *totals = cJSON_AddObjectToObject(json, "totals");
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        cJSON_AddNumberToObject(totals, counts[i].name, (double)counts[i].value);
    cJSON *violations = cJSON_AddObjectToObject(json, "violations");
    uint64_t all = 0;
    for (int i = 0; i < VIOLATION_KINDS; i++) {
        cJSON_AddNumberToObject(violations, violation_name((enum violation)i), (double)bench->violations[i]);
        all += bench->violations[i];
    }
    if (*bench->last_error)
        cJSON_AddStringToObject(json, "last_error", bench->last_error);
    fprintf(stderr,
            "%lu of %lu deliveries, %lu duplicates, %lu errors, %lu resent, %lu reconnects, %lu violations%s%s\n",
            bench->taken, bench->expected, bench->duplicates, bench->errors, bench->resent, bench->reconnects, all,
            *bench->last_error ? ", last: " : "", bench->last_error);
    char *text = cJSON_PrintUnformatted(json);
    puts(text ? text : "{}");
    free(text);
}
