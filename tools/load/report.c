#include "report.h"

#include <inttypes.h>

/* Frames and texts that went through, either way: what the server's CPU time is divided by. */
static uint64_t relayed(const struct counts *counts)
{
    return counts->up_received + counts->down_received + counts->other_up + counts->other_down +
           counts->texts + counts->turns_done;
}

static double cpu_us(const struct result *result, const struct proc_use *use)
{
    uint64_t n = relayed(&result->counts);

    return n ? (double)use->tree_ns / 1000 / (double)n : 0;
}

/* Memory that a client more takes, while it is active. */
static double rss_each(const struct result *result)
{
    double grown = (double)result->to.rss_bytes - (double)result->empty.rss_bytes;

    return result->open ? grown / (double)result->open : 0;
}

static uint64_t lost(uint64_t sent, uint64_t received)
{
    return sent > received ? sent - received : 0;
}

/* Share of audio frames that took the short way; -1: the server does not say. */
static double splice_share(const struct result *result)
{
    double spliced = result->scrape_to.spliced - result->scrape_from.spliced;
    double all = spliced + result->scrape_to.parsed - result->scrape_from.parsed;

    return result->scrape_to.there && all > 0 ? spliced / all : -1;
}

static void print_hist(FILE *out, const char *name, const struct hist *hist)
{
    if (!hist->count)
        return;
    (void)fprintf(out, "%-22s %9" PRIu64 " %9.0f %9.0f %9.0f %9.0f %9.0f\n", name, hist->count,
                  (double)hist_quantile(hist, 0.5) / 1e3, (double)hist_quantile(hist, 0.9) / 1e3,
                  (double)hist_quantile(hist, 0.99) / 1e3, (double)hist_quantile(hist, 0.999) / 1e3,
                  (double)hist->max / 1e3);
}

void report_print(const struct options *options, const struct result *result, FILE *out)
{
    const struct counts *counts = &result->counts;
    struct proc_use use = proc_between(&result->from, &result->to, options->server_cpu);

    (void)fprintf(out, "%s%s%" PRIu64 " clients, %.1f s\n", options->label ? options->label : "",
                  options->label ? ": " : "", result->open, use.seconds);
    (void)fprintf(out, "%-22s %9s %9s %9s %9s %9s %9s\n", "microseconds", "count", "p50", "p90",
                  "p99", "p99.9", "max");
    print_hist(out, "up, one way", &counts->up);
    print_hist(out, "down, one way", &counts->down);
    print_hist(out, "call to setup", &counts->connect);
    print_hist(out, "call to open", &counts->open);
    print_hist(out, "text to first answer", &counts->first_text);
    print_hist(out, "text to end of turn", &counts->turn);
    print_hist(out, "interrupted", &counts->interrupted);
    print_hist(out, "burst taken", &counts->burst);
    print_hist(out, "(generator late)", &counts->late);
    (void)fprintf(out,
                  "frames up %" PRIu64 " of %" PRIu64 " in %" PRIu64 " messages, down %" PRIu64
                  " of %" PRIu64 "; damaged %" PRIu64 "\n",
                  counts->up_received, counts->up_sent, counts->up_messages, counts->down_received,
                  counts->down_sent, counts->broken);
    if (counts->turns_sent)
        (void)fprintf(out, "turns %" PRIu64 " of %" PRIu64 "\n", counts->turns_done,
                      counts->turns_sent);
    if (counts->interruptions)
        (void)fprintf(out,
                      "interruptions %" PRIu64
                      ", frames sent on after the model said it %.1f each, after the "
                      "client was told %" PRIu64 "\n",
                      counts->interruptions, (double)counts->stale / (double)counts->interruptions,
                      counts->after_told);
    (void)fprintf(
        out,
        "server: %.1f us of CPU a message, %.1f %% of a core, RSS %.1f MB empty, %.1f MB then "
        "(%.1f KiB a client), %.1f MB afterwards",
        cpu_us(result, &use), use.tree * 100, (double)result->empty.rss_bytes / 1e6,
        (double)result->to.rss_bytes / 1e6, rss_each(result) / 1024,
        (double)result->after.rss_bytes / 1e6);
    if (result->start_ns)
        (void)fprintf(out, ", start %.1f ms", (double)result->start_ns / 1e6);
    (void)fprintf(out, "\ngenerator %.1f %% of a core; others %.1f %%, stolen %.1f %%\n",
                  use.own * 100, use.foreign * 100, use.steal * 100);
    if (splice_share(result) >= 0)
        (void)fprintf(out, "audio frames without a JSON tree %.3f %%; /metrics took %.1f ms\n",
                      splice_share(result) * 100, (double)result->scrape_to.took_ns / 1e6);
    if (options->allocs)
        (void)fprintf(out,
                      "allocations in the window: own %" PRIu64 ", libwebsockets %" PRIu64 ", TLS %" PRIu64
                      ", libuv %" PRIu64 "\n",
                      result->allocs.count[ALLOCS_OWN], result->allocs.count[ALLOCS_LWS],
                      result->allocs.count[ALLOCS_TLS], result->allocs.count[ALLOCS_UV]);
    for (unsigned i = 0; options->cycles > 1 && i < options->cycles; i++)
        (void)fprintf(out, "after cycle %u: RSS %.2f MB, heap and stacks %.2f MB\n", i + 1,
                      (double)result->cycle[i].rss_bytes / 1e6,
                      (double)result->cycle[i].anon_bytes / 1e6);
    if (counts->drops)
        (void)fprintf(out, "clients that left in mid-turn: %" PRIu64 "\n", counts->drops);
    if (result->lives_left)
        (void)fprintf(out, "connections to the model left open: %" PRIu64 "\n", result->lives_left);
    if (counts->errors || counts->closed)
        (void)fprintf(out, "errors %" PRIu64 ", connections lost %" PRIu64 ", first: %s\n",
                      counts->errors, counts->closed, counts->first_error);
}

static void json_text(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            (void)fprintf(out, "\\%c", *text);
        else if ((unsigned char)*text < ' ')
            (void)fprintf(out, "\\u%04x", (unsigned)*text);
        else
            (void)fputc(*text, out);
    }
    (void)fputc('"', out);
}

static void json_hist(FILE *out, const char *name, const struct hist *hist)
{
    (void)fprintf(
        out,
        ",\"%s_us\":{\"count\":%" PRIu64
        ",\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f,\"mean\":%.1f}",
        name, hist->count, (double)hist_quantile(hist, 0.5) / 1e3,
        (double)hist_quantile(hist, 0.9) / 1e3, (double)hist_quantile(hist, 0.99) / 1e3,
        (double)hist_quantile(hist, 0.999) / 1e3, (double)hist->max / 1e3, hist_mean(hist) / 1e3);
}

/* What the last of many cycles left behind beyond what the first did; 0: there was one only. */
static double growth(uint64_t first, uint64_t last)
{
    return first ? ((double)last - (double)first) / (double)first : 0;
}

static void json_cycles(FILE *out, const struct options *options, const struct result *result)
{
    (void)fprintf(out, ",\"rss_growth\":%.4f,\"heap_growth\":%.4f,\"cycles\":[",
                  growth(result->cycle[0].rss_bytes, result->after.rss_bytes),
                  growth(result->cycle[0].anon_bytes, result->after.anon_bytes));
    for (unsigned i = 0; i < options->cycles; i++)
        (void)fprintf(out, "%s[%" PRIu64 ",%" PRIu64 "]", i ? "," : "", result->cycle[i].rss_bytes,
                      result->cycle[i].anon_bytes);
    (void)fputs("]", out);
}

static void json_counts(FILE *out, const struct result *result)
{
    const struct counts *counts = &result->counts;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"clients", result->open},
                {"up_sent", counts->up_sent},
                {"up_received", counts->up_received},
                {"up_messages", counts->up_messages},
                {"down_sent", counts->down_sent},
                {"down_received", counts->down_received},
                {"lost", lost(counts->up_sent, counts->up_received) +
                             lost(counts->down_sent, counts->down_received)},
                {"other_up", counts->other_up},
                {"other_down", counts->other_down},
                {"damaged", counts->broken},
                {"turns_sent", counts->turns_sent},
                {"turns_done", counts->turns_done},
                {"texts", counts->texts},
                {"interruptions", counts->interruptions},
                {"stale", counts->stale},
                {"after_told", counts->after_told},
                {"drops", counts->drops},
                {"errors", counts->errors},
                {"connections_lost", counts->closed},
                {"upstream_left_open", result->lives_left},
                {"relayed", relayed(counts)},
                {"rss_empty", result->empty.rss_bytes},
                {"rss", result->to.rss_bytes},
                {"rss_after", result->after.rss_bytes},
                {"threads", result->to.threads},
                {"processes", result->to.processes}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        (void)fprintf(out, ",\"%s\":%" PRIu64, rows[i].name, rows[i].value);
}

void report_json(const struct options *options, const struct result *result, FILE *out)
{
    const struct counts *counts = &result->counts;
    struct proc_use use = proc_between(&result->from, &result->to, options->server_cpu);

    (void)fputs("{\"label\":", out);
    json_text(out, options->label ? options->label : "");
    (void)fputs(",\"first_error\":", out);
    json_text(out, counts->first_error);
    json_counts(out, result);
    (void)fprintf(out,
                  ",\"seconds\":%.3f,\"cpu_us\":%.3f,\"server_cpu\":%.4f,\"generator_cpu\":%.4f,"
                  "\"foreign_cpu\":%.4f,"
                  "\"steal\":%.4f,\"rss_each\":%.0f,\"start_ms\":%.2f,\"splice_share\":%.6f,"
                  "\"scrape_ms\":%.2f,\"tls\":%s",
                  use.seconds, cpu_us(result, &use), use.tree, use.own, use.foreign, use.steal,
                  rss_each(result), (double)result->start_ns / 1e6, splice_share(result),
                  (double)result->scrape_to.took_ns / 1e6, options->tls ? "true" : "false");
    if (options->allocs)
        (void)fprintf(out,
                      ",\"allocations\":%" PRIu64 ",\"allocations_lws\":%" PRIu64 ",\"allocations_tls\":%" PRIu64
                      ",\"allocations_uv\":%" PRIu64,
                      result->allocs.count[ALLOCS_OWN], result->allocs.count[ALLOCS_LWS],
                      result->allocs.count[ALLOCS_TLS], result->allocs.count[ALLOCS_UV]);
    json_cycles(out, options, result);
    json_hist(out, "up", &counts->up);
    json_hist(out, "down", &counts->down);
    json_hist(out, "connect", &counts->connect);
    json_hist(out, "open", &counts->open);
    json_hist(out, "first_text", &counts->first_text);
    json_hist(out, "turn", &counts->turn);
    json_hist(out, "interrupted", &counts->interrupted);
    json_hist(out, "burst", &counts->burst);
    json_hist(out, "late", &counts->late);
    (void)fputs("}\n", out);
}
