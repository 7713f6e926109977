#include "trace.h"

#include "json.h"
#include <string.h>
#include <uv.h>

bool trace_open(struct trace *trace, const char *path)
{
    *trace = (struct trace){.start_ns = uv_hrtime()};
    if (path)
        trace->file = fopen(path, "we");
    return !path || trace->file;
}

void trace_close(struct trace *trace)
{
    if (trace->file)
        fclose(trace->file);
    trace->file = NULL;
}

void trace_json(struct trace *trace, uint32_t conn, bool from_client, const char *type,
                const char *json)
{
    if (!trace->file)
        return;
    fprintf(trace->file,
            "{\"t\":%llu,\"link\":\"upstream\",\"conn\":%u,\"dir\":\"%s\",\"type\":\"%s\",\"data\":"
            "%s}\n",
            (unsigned long long)((uv_hrtime() - trace->start_ns) / 1000000), conn,
            from_client ? "out" : "in", type, json);
    fflush(trace->file);
}

void trace_text(struct trace *trace, uint32_t conn, bool from_client, const char *type,
                const char *data, size_t len)
{
    struct bytes text = {0}, json = {0};
    if (!trace->file)
        return;
    if (mem_utf8_valid(data, len) && !memchr(data, 0, len)) {
        bytes_add(&text, data, len);
    } else {
        for (size_t i = 0; i < len; i++)
            bytes_printf(&text, "%02x", (unsigned char)data[i]);
    }
    json_write_string(&json, bytes_str(&text), false);
    trace_json(trace, conn, from_client, type, bytes_str(&json));
    bytes_free(&text);
    bytes_free(&json);
}

void trace_close_frame(struct trace *trace, uint32_t conn, bool from_client, uint16_t code,
                       const char *reason, bool answer)
{
    struct bytes json = {0};
    if (!trace->file)
        return;
    bytes_printf(&json, "{\"frame\":true,\"code\":%u,\"reason\":", code);
    json_write_string(&json, reason, false);
    bytes_text(&json, answer ? ",\"answer\":true}" : "}");
    trace_json(trace, conn, from_client, "close", bytes_str(&json));
    bytes_free(&json);
}
