/**
 * Writes a `.cpuprofile` of chosen size: functions of files of an application, of packages, of Node and of V8, in a call
 * tree as a large service has it. The same arguments give the same bytes.
 */

import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { randomFrom } from "../../ui/samples/random.mjs";

const MAX_DEPTH = 60;
/** Microseconds between samples. */
const INTERVAL = 100;

/** Where the functions of a file are, and how many of ten functions are there. */
const PLACES = [
  {
    share: 4,
    url: (n) => `file:///srv/huge/src/${["routes", "models", "views", "jobs"][n % 4]}/part${n % 900}.js`,
    name: (n) => `handle${n}`,
  },
  {
    share: 4,
    url: (n) => `file:///srv/huge/node_modules/package-${n % 300}/lib/m${n % 7}.js`,
    name: (n) => `apply${n}`,
  },
  { share: 1, url: (n) => `node:internal/part${n % 60}`, name: (n) => `node${n}` },
  { share: 1, url: () => "", name: (n) => `native${n}` },
];
const BY_TENTH = PLACES.flatMap((place) => new Array(place.share).fill(place));

/** Returns the nodes as `parent` and `fn` columns: every function at least once, callers before what they call. */
function growTree(nFunctions, nNodes, random) {
  const parent = new Int32Array(nNodes);
  const fn = new Int32Array(nNodes);
  const depth = new Uint8Array(nNodes);
  parent[0] = -1;
  fn[0] = -1;
  for (let node = 1; node < nNodes; node++) {
    // Mostly below a recent node, so that stacks get deep; else anywhere, so that they branch.
    const recent = Math.max(0, node - 1 - Math.floor(random() ** 3 * 200));
    let caller = random() < 0.7 ? recent : Math.floor(random() * node);
    while (depth[caller] >= MAX_DEPTH) caller = parent[caller];
    parent[node] = caller;
    depth[node] = depth[caller] + 1;
    fn[node] = node <= nFunctions ? node - 1 : Math.floor(random() ** 2 * nFunctions);
  }
  return { parent, fn };
}

export async function writeProfile(path, { nFunctions, nNodes, nSamples }) {
  const random = randomFrom(1);
  const { parent, fn } = growTree(nFunctions, nNodes, random);
  const children = Array.from({ length: nNodes }, () => []);
  for (let node = 1; node < nNodes; node++) children[parent[node]].push(node + 1);
  const file = createWriteStream(path);
  const write = async (text) => file.write(text) || (await once(file, "drain"));
  await write('{"nodes":[');
  for (let node = 0; node < nNodes; node++) {
    const n = fn[node];
    const place = BY_TENTH[n % 10];
    const callFrame =
      n < 0
        ? { functionName: "(root)", scriptId: "0", url: "", lineNumber: -1, columnNumber: -1 }
        : {
            functionName: place.name(n),
            scriptId: String(n % 3000),
            url: place.url(n),
            lineNumber: n % 997,
            columnNumber: n % 61,
          };
    await write(
      `${node > 0 ? "," : ""}${JSON.stringify({ id: node + 1, callFrame, hitCount: 0, children: children[node] })}`,
    );
  }
  await write('],"samples":[');
  // A few stacks are hot, and each goes on for some samples, as in real profiles.
  let at = 1;
  for (let i = 0; i < nSamples; i++) {
    if (random() < 0.4) at = 1 + Math.floor(random() ** 2 * (nNodes - 1));
    await write(`${i > 0 ? "," : ""}${at + 1}`);
  }
  await write(`],"timeDeltas":[${`${INTERVAL},`.repeat(nSamples - 1)}${INTERVAL}]`);
  await write(`,"startTime":1000000,"endTime":${1000000 + nSamples * INTERVAL}}`);
  file.end();
  await once(file, "finish");
}
