/** Reads the data that Rust put into the page, draws the first screen at once, then the profile. */
import type { Context } from "./context.ts";
import type { ReportData } from "./contract.ts";
import { CpuSelection } from "./logic/derive.ts";
import { decodeProfile, indexProfile } from "./logic/profile.ts";
import { Store } from "./store.ts";
import { S } from "./strings.ts";
import { categoryBar } from "./views/category-bar.ts";
import { checkpoints } from "./views/checkpoints.ts";
import { counters } from "./views/counters.ts";
import { type CpuView, cpuBody, cpuMissing, cpuSection } from "./views/cpu.ts";
import { absent, h } from "./views/dom.ts";
import { eventLoop } from "./views/event-loop.ts";
import { findings } from "./views/findings.ts";
import { header } from "./views/header.ts";
import { listenToKeys } from "./views/keys.ts";
import { loadSection } from "./views/load.ts";
import { loadLine } from "./views/load-line.ts";
import { measured } from "./views/measured.ts";
import { memory } from "./views/memory.ts";
import { nativeSection } from "./views/native.ts";
import { processes } from "./views/processes.ts";
import { scaleSection } from "./views/scale.ts";
import { sectionsBar } from "./views/sections-bar.ts";
import { splitBar } from "./views/split-bar.ts";
import { timeline } from "./views/timeline.ts";
import { verdict } from "./views/verdict.ts";
import { waitingSection } from "./views/waiting/section.ts";

const text = (id: string): string => document.getElementById(id)?.textContent ?? "";

function start(root: HTMLElement): void {
  let report: ReportData;
  try {
    report = JSON.parse(text("slowpath-report")) as ReportData;
  } catch (error) {
    root.append(absent(S.broken(String(error))));
    return;
  }
  document.title = `${report.run.title}: ${report.verdict.sentence}`;
  let view: CpuView | null = null;
  const reveal = (id: string) => document.getElementById(id)?.scrollIntoView({ block: "start" });
  const context: Context = {
    report,
    store: new Store(),
    cpu: null,
    showFunction(fn) {
      if (!context.cpu || fn < 0 || fn >= context.cpu.profile.nFunctions) return;
      context.store.step(context.cpu.zoomToFunction(context.store.state, fn));
      reveal("cpu");
    },
    showInterval(range) {
      context.store.step({ range });
      reveal("timeline");
    },
  };
  // Profiles of other tools have what was sampled, and nothing of what a recording has around it.
  const isRecording = report.files.length === 0;
  const answer = isRecording
    ? [verdict(context), splitBar(context), loadLine(context), findings(context), timeline(context)]
    : [verdict(context), categoryBar(context), report.timeline.series.length > 0 ? timeline(context) : null];
  const proof = isRecording
    ? [
        eventLoop(context),
        waitingSection(context),
        memory(context),
        counters(context),
        loadSection(context),
        scaleSection(context),
        checkpoints(context),
        nativeSection(context),
        processes(context),
      ]
    : [];
  const cpu = cpuSection(report.weight_unit);
  root.append(
    header(context),
    h(
      "main",
      {},
      h("div", { class: "answer" }, ...answer),
      sectionsBar(context),
      cpu.section,
      ...proof,
      measured(context),
    ),
  );
  listenToKeys(context, () => view);
  // The second frame begins when the first one is painted: the answer is there before the profile is unpacked.
  requestAnimationFrame(() =>
    requestAnimationFrame(async () => {
      try {
        const cpuSelection = await loadProfile();
        if (!cpuSelection) return cpuMissing(cpu.body, context, null);
        context.cpu = cpuSelection;
        for (const prepare of [
          () => cpuSelection.legend(context.store.state),
          () => cpuSelection.topDown(context.store.state),
        ]) {
          await pause();
          prepare();
        }
        await pause();
        view = cpuBody(cpu.body, context, cpuSelection);
        performance.mark("slowpath-drawn");
      } catch (error) {
        cpuMissing(cpu.body, context, error instanceof Error ? error.message : String(error));
      } finally {
        document.documentElement.dataset.ready = "true";
      }
    }),
  );
}

/** `null` when there is no profile or it has no samples. */
async function loadProfile(): Promise<CpuSelection | null> {
  const packed = text("slowpath-profile").trim();
  if (packed === "") return null;
  performance.mark("slowpath-decode");
  const data = await decodeProfile(packed);
  await pause();
  performance.mark("slowpath-index");
  const profile = indexProfile(data);
  performance.mark("slowpath-indexed");
  return profile.threads.some((thread) => thread.stack.length > 0) ? new CpuSelection(profile) : null;
}

/** Lets the page answer between two pieces of work. */
const pause = () => new Promise((done) => setTimeout(done));

const root = document.getElementById("page");
if (root) start(root);
