#include "exposition.h"

void exposition_family(FILE *out, enum family_type type, const char *name, const char *help)
{
    static const char *const names[] = {"counter", "gauge", "histogram"};
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, names[type]);
}

static void put_label(FILE *out, const struct label *label)
{
    fprintf(out, "%s=\"", label->name);
    for (const char *at = label->value; *at != '\0'; at++) {
        if (*at == '\n')
            fputs("\\n", out);
        else if (*at == '"' || *at == '\\')
            fprintf(out, "\\%c", *at);
        else
            fputc(*at, out);
    }
    fputc('"', out);
}

/* 15 digits: what was written as a decimal is told as it was. */
void exposition_sample(FILE *out, const char *name, const struct label labels[], size_t labels_len, double value)
{
    fputs(name, out);
    for (size_t i = 0; i < labels_len; i++) {
        fputc(i == 0 ? '{' : ',', out);
        put_label(out, &labels[i]);
    }
    fprintf(out, "%s %.15g\n", labels_len > 0 ? "}" : "", value);
}

void exposition_histogram(FILE *out, const char *name, const struct histogram_scale *scale,
                          const struct histogram_sum *sum)
{
    uint64_t below = 0;
    for (size_t i = 0; i < scale->len; i++) {
        below += sum->counts[i];
        fprintf(out, "%s_bucket{le=\"%.6g\"} %llu\n", name, (double)scale->bounds[i] * scale->unit,
                (unsigned long long)below);
    }
    fprintf(out, "%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)sum->count);
    fprintf(out, "%s_sum %.15g\n", name, (double)sum->sum * scale->unit);
    fprintf(out, "%s_count %llu\n", name, (unsigned long long)sum->count);
}

void exposition_counter(FILE *out, const char *name, const char *help, double value)
{
    exposition_family(out, FAMILY_COUNTER, name, help);
    exposition_sample(out, name, NULL, 0, value);
}

void exposition_gauge(FILE *out, const char *name, const char *help, double value)
{
    exposition_family(out, FAMILY_GAUGE, name, help);
    exposition_sample(out, name, NULL, 0, value);
}
