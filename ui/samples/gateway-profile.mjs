/** What an LLM gateway in Express spends its time on: the usual recording, and a busy worker thread beside it. */
import { addSources } from "./gateway-sources.mjs";
import { functionRows, ProfileBuilder } from "./profile-builder.mjs";
import { randomFrom } from "./random.mjs";

export const CWD = "/srv/llm-gateway";
const app = (name, place) => [name, `${CWD}/src/${place}`, "app"];
const dep = (pkg, name, place) => [name, `${CWD}/node_modules/${pkg}/${place}`, "dependency", { pkg }];
const node = (name, place) => [name, `node:${place}`, "node"];
const native = (name, kind) => [name, "", "native", { kind }];

/** Short name → function. */
const FUNCTIONS = {
  root: ["(root)", "", "native"],
  idle: ["(idle)", "", "idle"],
  program: ["(program)", "", "program"],
  gc: ["(garbage collector)", "", "gc"],
  parserOnHeaders: node("parserOnHeadersComplete", "_http_common:76:33"),
  incoming: node("parserOnIncoming", "_http_server:1034:26"),
  emit: node("emit", "events:465:44"),
  streamRead: node("onStreamRead", "internal/stream_base_commons:166:22"),
  ticks: node("processTicksAndRejections", "internal/process/task_queues:67:35"),
  timers: node("listOnTimeout", "internal/timers:545:17"),
  writeHead: node("writeHead", "_http_server:338:19"),
  writeGeneric: node("writeGeneric", "internal/stream_base_commons:143:22"),
  readFileSync: node("readFileSync", "fs:435:22"),
  app: dep("express", "app", "lib/express.js:39:18"),
  handle: dep("express", "handle", "lib/router/index.js:136:31"),
  next: dep("express", "next", "lib/router/index.js:177:16"),
  layer: dep("express", "Layer.handle_request", "lib/router/layer.js:86:49"),
  json: dep("body-parser", "jsonParser", "lib/types/json.js:104:30"),
  rawBody: dep("raw-body", "onData", "index.js:255:18"),
  pinoWrite: dep("pino", "write", "lib/proto.js:212:16"),
  sonic: dep("sonic-boom", "actualWrite", "index.js:507:22"),
  zodParse: dep("zod", "_parse", "lib/types.js:2040:10"),
  zodField: dep("zod", "_parseSync", "lib/types.js:145:14"),
  undiciWrite: dep("undici", "write", "lib/dispatcher/client-h1.js:871:16"),
  undiciParse: dep("undici", "onBody", "lib/dispatcher/client-h1.js:560:10"),
  tokenizer: dep("gpt-tokenizer", "encode", "dist/GptEncoding.js:310:12"),
  bpe: dep("gpt-tokenizer", "bytePairMerge", "dist/BytePairEncodingCore.js:205:16"),
  redisCommand: dep("ioredis", "sendCommand", "built/Redis.js:340:16"),
  handleChat: app("handleChat", "routes/chat.js:24:27"),
  authorize: app("authorize", "auth/keys.js:17:22"),
  renderRules: app("renderRules", "prompt/rules.js:88:21"),
  compileRule: app("compileRule", "prompt/rules.js:52:21"),
  loadQuota: app("loadQuota", "quota/store.js:31:19"),
  forward: app("forwardUpstream", "upstream/client.js:45:30"),
  relayChunk: app("relayChunk", "upstream/stream.js:73:20"),
  countTokens: app("countTokens", "billing/tokens.js:12:21"),
  probe: app("checkUpstreams", "health/probe.js:12:25"),
  logRequest: app("logRequest", "log/access.js:9:20"),
  worker: app("embedBatch", "workers/embed.js:20:20"),
  normalise: app("normalise", "workers/embed.js:61:19"),
  wasm: ["wasm-function[412]", "wasm://wasm/embed-7d3a", "wasm"],
  regexp: ["RegExp: \\{\\{\\s*(\\w+)\\s*\\}\\}", "", "native", { kind: "RegExp" }],
  jsonParse: native("parse", "JSON"),
  jsonStringify: native("stringify", "JSON"),
  writev: native("writev", "socket"),
  openSync: native("openFileHandle", "file"),
  readSync: native("read", "file"),
  close: native("close", "file"),
  regexpNew: native("RegExp", "compile"),
};

const REQUEST = "root parserOnHeaders incoming emit app handle next layer";
/** Weight and stack, outermost first. */
const MAIN = [
  [330, `${REQUEST} handleChat renderRules compileRule regexpNew`],
  [190, `${REQUEST} handleChat renderRules compileRule`],
  [105, `${REQUEST} handleChat renderRules regexp`],
  [60, `${REQUEST} handleChat renderRules`],
  [70, `${REQUEST} handleChat renderRules gc`],
  [30, `${REQUEST} authorize loadQuota readFileSync openSync`],
  [34, `${REQUEST} authorize loadQuota readFileSync readSync`],
  [16, `${REQUEST} authorize loadQuota readFileSync close`],
  [18, `${REQUEST} authorize loadQuota jsonParse`],
  [14, `${REQUEST} json rawBody jsonParse`],
  [16, `${REQUEST} handleChat zodParse zodField`],
  [9, `${REQUEST} handleChat zodParse zodField zodParse`],
  [22, `${REQUEST} handleChat countTokens tokenizer bpe`],
  [8, `${REQUEST} handleChat countTokens tokenizer`],
  [13, "root ticks forward undiciWrite writev"],
  [6, "root ticks forward jsonStringify"],
  [5, "root ticks redisCommand writeGeneric writev"],
  [19, "root streamRead undiciParse relayChunk writeGeneric writev"],
  [11, "root streamRead undiciParse relayChunk jsonParse"],
  [6, "root streamRead undiciParse"],
  [9, "root ticks logRequest pinoWrite sonic writev"],
  [4, "root ticks logRequest pinoWrite jsonStringify"],
  [52, "root timers probe"],
  [8, "root timers probe jsonStringify"],
  [26, "root gc"],
  [20, "root program"],
  [96, "root idle"],
  [4, `${REQUEST} handleChat writeHead`],
];
const WORKER = [
  [60, "root ticks worker wasm"],
  [14, "root ticks worker normalise"],
  [6, "root ticks worker gc"],
  [320, "root idle"],
];

function sampleThread(builder, index, table, pid, thread, name, from_s, to_s, every_us, random) {
  const sum = table.reduce((total, [weight]) => total + weight, 0);
  const stacks = table.map(([weight, names]) => [weight, builder.stack(names.split(" ").map((n) => index[n]))]);
  const samples = [];
  for (let t = from_s * 1e6; t < to_s * 1e6; ) {
    let at = random() * sum;
    const [, stack] =
      stacks.find(([weight]) => {
        at -= weight;
        return at < 0;
      }) ?? stacks[0];
    const duration = Math.round(every_us * (0.85 + 0.3 * random()));
    samples.push([Math.round(t), duration, stack]);
    t += duration;
  }
  builder.thread(pid, thread, name, samples);
}

/** `to_s - from_s` seconds of samples at about 1.05 ms. `fn` gives a function's index by its short name. */
export function gatewayProfile({ pid, from_s, to_s, worker = true, seed = 1 }) {
  const builder = new ProfileBuilder();
  const random = randomFrom(seed);
  const index = Object.fromEntries(
    Object.entries(FUNCTIONS).map(([key, [name, where, category, more]]) => [
      key,
      builder.function(name, where, category, more),
    ]),
  );
  sampleThread(builder, index, MAIN, pid, 0, "main thread", from_s, to_s, 1050, random);
  if (worker) sampleThread(builder, index, WORKER, pid, 3, "embed worker", from_s, to_s, 4200, random);
  for (const [line, ms] of [
    [91, 12],
    [94, 380],
    [95, 96],
    [103, 41],
    [104, 1660],
    [110, 22],
  ]) {
    builder.heat(index.renderRules, line, ms * 1000);
  }
  for (const [line, ms] of [
    [55, 240],
    [57, 2900],
    [58, 410],
  ])
    builder.heat(index.compileRule, line, ms * 1000);
  for (const [line, ms] of [
    [25, 3],
    [28, 9],
    [60, 4],
  ])
    builder.heat(index.handleChat, line, ms * 1000);
  addSources(builder, CWD);
  const deopts = {
    function: [index.renderRules],
    line: [104],
    reason: [builder.text("wrong map")],
    count: [14],
  };
  const profile = { ...builder.data(), deopts };
  return { profile, index, functions: functionRows(profile) };
}
