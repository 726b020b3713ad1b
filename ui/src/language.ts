/** In which language the page speaks: English, or Chinese when the address says `lang=zh`. */
import { type Language, readHash } from "./logic/url-state.ts";

/** A page speaks one language from its beginning to its end: another one begins with a reload. */
export const LANGUAGE: Language = typeof location === "undefined" ? "en" : readHash(location.hash).lang;

/** Words in the page's language; what is not translated stays English. */
export const spoken = <Words extends object>(english: Words, chinese: Partial<Words>): Words =>
  LANGUAGE === "zh" ? { ...english, ...chinese } : english;
