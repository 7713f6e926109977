# table.awk - the lines of load --json as a table of medians with spread, and as bench.json.
# Works on the flat make of those lines: "name":value, or "name_us":{"p50":value,...}.

function field(line, path,    at, name, part, rest) {
    at = split(path, part, ".")
    rest = line
    if (at == 2) {
        if (!match(rest, "\"" part[1] "\":[{][^}]*[}]")) return ""
        rest = substr(rest, RSTART, RLENGTH)
    }
    name = "\"" part[at] "\":"
    at = index(rest, name)
    if (!at) return ""
    rest = substr(rest, at + length(name))
    match(rest, /^[-0-9.e+]+/)
    return RLENGTH > 0 ? substr(rest, 1, RLENGTH) + 0 : ""
}

# Sorts the n values of key and sets low, middle and high.
function summarise(key,    i, j, n, t, sorted) {
    n = count[key]
    for (i = 1; i <= n; i++) sorted[i] = value[key, i]
    for (i = 2; i <= n; i++) {
        t = sorted[i]
        for (j = i - 1; j >= 1 && sorted[j] > t; j--) sorted[j + 1] = sorted[j]
        sorted[j + 1] = t
    }
    low = sorted[1]; high = sorted[n]
    middle = n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}

function shown(x) { return x >= 1000 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : sprintf("%.2f", x) }

# Whether some server was never measured in peace.
function disturbed(scenario,    name) {
    for (name in servers) if (!good[scenario, name]) return 1
    return 0
}

function keep(scenario, server, metric, x) {
    key = scenario SUBSEP server SUBSEP metric
    value[key, ++count[key]] = x
}

BEGIN {
    # path | title | divide by | scenarios (empty: wherever it is not 0)
    metrics_n = split("cpu_us|CPU a message, us|1;up_us.p50|up p50, us|1;up_us.p99|up p99, us|1;" \
        "down_us.p50|down p50, us|1;down_us.p99|down p99, us|1;connect_us.p50|call to setup p50, ms|1000;" \
        "connect_us.p99|call to setup p99, ms|1000;first_text_us.p99|first answer p99, ms|1000;" \
        "turn_us.p99|end of turn p99, ms|1000;turns_a_second|turns a second|1;" \
        "interrupted_us.p50|interrupted p50, ms|1000;interrupted_us.p99|interrupted p99, ms|1000;" \
        "stale_each|stale frames an interruption|1;after_told|frames after it was told|1;" \
        "rss_each|RSS a client, KiB|1024;rss_growth|RSS grew by, %|0.01;heap_growth|heap and stacks grew by, %|0.01;rss_mb|RSS, MB|1;start_ms|start, ms|1;splice|splice share, %|1;" \
        "lost|frames lost|1;damaged|frames damaged|1;allocations|allocations|1", metric_line, ";")
    for (i = 1; i <= metrics_n; i++) {
        split(metric_line[i], part, "|")
        metric_path[i] = part[1]; metric_title[i] = part[2]; metric_by[i] = part[3]
    }
    n = split(scenarios, line_of, "\n")
    for (i = 1; i <= n; i++) {
        if (split(line_of[i], part, "|") < 5) continue
        what[part[1]] = part[4]
    }
}

{
    match($0, /"label":"[^"]*"/)
    split(substr($0, RSTART + 9, RLENGTH - 10), label, "/")
    scenario = label[1]; server = label[2]
    if (!(scenario in known)) { known[scenario] = 1; order[++scenarios_n] = scenario }
    servers[server] = 1
    runs++
    lines[runs] = $0; line_scenario[runs] = scenario; line_server[runs] = server
    noisy[runs] = field($0, "foreign_cpu") > 0.12
    if (noisy[runs]) discarded++
    else good[scenario, server]++
    generator = field($0, "generator_cpu")
    if (generator > busiest[scenario]) busiest[scenario] = generator
}

END {
    if (!runs) exit 1
    bad = 0
    for (i = 1; i <= runs; i++) {
        scenario = line_scenario[i]; server = line_server[i]
        if (server == "antiphon") {
            if (field(lines[i], "lost") > 0 || field(lines[i], "damaged") > 0) {
                print scenario ": frames were lost or damaged"; bad = 1
            }
            share = field(lines[i], "splice_share")
            if (share != "" && share >= 0 && share < 0.999) { print scenario ": splice share " share; bad = 1 }
            # Audio at its own pace needs no memory; typed turns, and bursts, which queue, do.
            if (field(lines[i], "up_sent") > 0 && !field(lines[i], "turns_sent") && !field(lines[i], "interruptions") && field(lines[i], "allocations") > 0) {
                print scenario ": " field(lines[i], "allocations") " allocations on the way of audio"; bad = 1
            }
            if (field(lines[i], "turns_done") + 0 < field(lines[i], "turns_sent") + 0) {
                print scenario ": turns without an end"; bad = 1
            }
        }
        # Noisy repeats are thrown away, unless one of the servers has no others: then all are kept, because a
        # quiet server beside a disturbed one would say nothing, and the table says so.
        if (disturbed(scenario)) unsafe[scenario] = 1
        else if (noisy[i]) continue
        for (m = 1; m <= metrics_n; m++) {
            path = metric_path[m]
            if (path == "turns_a_second") x = field(lines[i], "turns_done") / field(lines[i], "seconds")
            else if (path == "stale_each") x = field(lines[i], "interruptions") ? field(lines[i], "stale") / field(lines[i], "interruptions") : 0
            else if (path == "splice") x = field(lines[i], "splice_share") * 100
            else if (path == "rss_mb") x = field(lines[i], "rss") / 1e6
            else x = field(lines[i], path) / metric_by[m]
            if (path ~ /_us[.]/ && field(lines[i], substr(path, 1, index(path, ".") - 1) ".count") == 0) continue
            if (path == "splice" && x < 0) continue
            if (path == "allocations" && field(lines[i], path) == "") continue
            if (path ~ /_growth$/ && !index(lines[i], "],[")) continue
            if ((path == "turns_a_second" || path == "cpu_us") && x == 0) continue
            if ((path == "stale_each" || path == "after_told") && !field(lines[i], "interruptions")) continue
            keep(scenario, server, path, x)
        }
    }
    print "antiphon " version ", " cpu ", " cores " cores, Linux " kernel ", " started ", " mode
    printf("{\"version\":\"%s\",\"cpu\":\"%s\",\"cores\":%d,\"kernel\":\"%s\",\"started\":\"%s\",\"mode\":\"%s\",\"runs\":%d,\"disturbed\":%d,\"micro\":%s,\"scenarios\":{", \
        version, cpu, cores, kernel, started, mode, runs, discarded + 0, (micro == "" ? "null" : micro)) > json
    for (s = 1; s <= scenarios_n; s++) {
        scenario = order[s]
        printf("\n%s - %s%s%s\n", scenario, what[scenario], (unsafe[scenario] ? " [NOISY: no undisturbed repeat of each]" : ""),
            (busiest[scenario] > 0.9 ? sprintf(" [generator %.0f %% busy]", busiest[scenario] * 100) : ""))
        printf "  %-28s %26s %26s %8s", "median (min-max)", "floor", "antiphon", "ratio"
        if ("other" in servers) printf " %26s %8s", "other", "ratio"
        printf "\n"
        printf("%s\"%s\":{\"noisy\":%s,\"generator_cpu\":%.3f", (s > 1 ? "," : ""), scenario, (unsafe[scenario] ? "true" : "false"), busiest[scenario]) > json
        for (m = 1; m <= metrics_n; m++) {
            path = metric_path[m]
            if (!count[scenario, "antiphon", path] && !count[scenario, "floor", path]) continue
            printf "  %-28s", metric_title[m]
            printf(",\"%s\":{", path) > json
            first = 1; base = ""
            split("floor antiphon other", list, " ")
            for (k = 1; k <= 3; k++) {
                if (!(list[k] in servers)) continue
                key = scenario SUBSEP list[k] SUBSEP path
                if (!count[key]) { printf " %26s%s", "-", list[k] == "floor" ? "" : sprintf(" %8s", ""); continue }
                summarise(key)
                printf(" %26s", shown(middle) (count[key] > 1 ? " (" shown(low) "-" shown(high) ")" : ""))
                if (list[k] == "floor") base = middle
                else printf(" %8s", (base != "" && base > 0 ? sprintf("%.2f", middle / base) : ""))
                printf("%s\"%s\":{\"median\":%.6g,\"min\":%.6g,\"max\":%.6g,\"n\":%d}", (first ? "" : ","), list[k], middle, low, high, count[key]) > json
                first = 0
            }
            printf "\n"
            printf "}" > json
        }
        printf "}" > json
    }
    print "}}" > json
    printf "\n%d runs, others used more than 12 %% of the server's core in %d of them.\n", runs, discarded + 0
    exit smoke != "" && bad
}
