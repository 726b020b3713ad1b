/** What every view is given: the report, the state, and the CPU profile once it is decoded. */
import type { ReportData } from "./contract.ts";
import type { CpuSelection } from "./logic/derive.ts";
import type { Store } from "./store.ts";

export interface Context {
  report: ReportData;
  store: Store;
  /** `null` until decoded, and for ever without samples. */
  cpu: CpuSelection | null;
  /** Shows a function in the flame graph and brings it into view. Does nothing without a profile. */
  showFunction(fn: number): void;
  /** Brushes an interval and brings the timeline into view. */
  showInterval(range: readonly [number, number]): void;
}
