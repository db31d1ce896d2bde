// Runs the bench under Verilator: name=value arguments set its inputs, `cycles` limits the run.
// Ends when the sink has seen all frames and the cable is quiet; prints the counters as JSON.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "Vedf_bench.h"
#include "verilated.h"

int main(int argc, char** argv) {
    std::map<std::string, uint64_t> knob = {
        {"seed", 1}, {"session", 0}, {"frames", 100}, {"search", 0}, {"source_rate", 65536},
        {"sink_rate", 65536}, {"rest_rate", 0}, {"network_rate", 65536}, {"latency", 414},
        {"byte_cycles", 24}, {"drop_rate", 0}, {"repeat_rate", 0}, {"cut_rate", 0},
        {"flip_rate", 0}, {"stray_rate", 0}, {"cycles", 100000000}, {"duplex", 0}, {"leave_out", 0}};
    for (int i = 1; i < argc; ++i) {
        std::string word = argv[i];
        size_t at = word.find('=');
        if (at == std::string::npos || !knob.count(word.substr(0, at))) {
            fprintf(stderr, "unknown argument %s\n", argv[i]);
            return 2;
        }
        knob[word.substr(0, at)] = strtoull(word.c_str() + at + 1, nullptr, 0);
    }
    Vedf_bench bench;
    bench.seed = knob["seed"];
    bench.session = knob["session"];
    bench.frames = knob["frames"];
    bench.search = knob["search"];
    bench.source_rate = knob["source_rate"];
    bench.sink_rate = knob["sink_rate"];
    bench.rest_rate = knob["rest_rate"];
    bench.network_rate = knob["network_rate"];
    bench.latency = knob["latency"];
    bench.byte_cycles = knob["byte_cycles"];
    bench.drop_rate = knob["drop_rate"];
    bench.repeat_rate = knob["repeat_rate"];
    bench.cut_rate = knob["cut_rate"];
    bench.flip_rate = knob["flip_rate"];
    bench.stray_rate = knob["stray_rate"];
    bench.rst_a = 0;
    bench.rst_b = 0;

    uint64_t cycle = 0, first_taken = 0, done_at = 0;
    uint64_t taken_at_first = 0;
    const uint32_t frames = knob["frames"];
    const uint32_t left_out = knob["leave_out"];  // frames may be left out: end on silence instead
    uint32_t seen = 0;
    uint64_t seen_at = 0;
    for (; cycle < knob["cycles"]; ++cycle) {
        bench.rst = cycle < 20;
        bench.clk = 0;
        bench.eval();
        bench.clk = 1;
        bench.eval();
        if (bench.taken != seen) {
            seen = bench.taken;
            seen_at = cycle;
            if (!first_taken) {
                first_taken = cycle;
                taken_at_first = seen;
            }
        }
        bool all = bench.taken >= frames && (!knob["duplex"] || bench.back_taken >= frames);
        bool silent = left_out && bench.sent >= frames && cycle > seen_at + 100000;
        if (!done_at && (all || silent)) done_at = cycle;
        if (done_at && cycle > done_at + 20000) break;
    }
    printf("{\"cycles\": %llu, \"done_at\": %llu, \"first_taken\": %llu, \"taken_at_first\": %llu",
           (unsigned long long)cycle, (unsigned long long)done_at, (unsigned long long)first_taken,
           (unsigned long long)taken_at_first);
    printf(", \"seen_at\": %llu", (unsigned long long)seen_at);
#define SHOW(name) printf(", \"%s\": %llu", #name, (unsigned long long)bench.name)
    SHOW(sent); SHOW(taken); SHOW(frames_equal); SHOW(frames_cut); SHOW(errors); SHOW(overflows);
    SHOW(frames_hit); SHOW(repeats); SHOW(injected); SHOW(strays); SHOW(strays_counted); SHOW(wire_bytes);
    SHOW(back_bytes); SHOW(back_taken); SHOW(back_equal); SHOW(back_cut); SHOW(back_hit); SHOW(back_repeats);
#define LIST(name, count)                                        \
    printf(", \"%s\": [", #name);                                \
    for (int i = 0; i < count; ++i)                              \
        printf("%s%u", i ? ", " : "", (unsigned)bench.name[i]); \
    printf("]")
    LIST(tx_values, 10);
    LIST(rx_values, 15);
    LIST(back_rx_values, 15);
    printf("}\n");
    bench.final();
    return 0;
}
