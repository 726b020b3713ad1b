'use strict';
/**
 * Counts what the target looks up elsewhere, by what it asks for: resources of other services, files. What is asked for again and
 * again gets a counter of its own; the rest is only counted in sum, so that a million different ones take no room.
 *
 * What a target asks for is kept without what may be secret in it: values of a query and long words of letters and digits.
 */

/** @typedef {InstanceType<typeof import('./tally.cjs').Tally>} Tally */
/** @typedef {InstanceType<typeof import('./tally.cjs').Counter>} Counter */

/** Times that the same is asked for, from which on it is counted by name. */
const AGAIN = 4;
/** Different things remembered at once; when there are more, those asked for once go. */
const MAX_SEEN = 512;
/** Things counted by name, of each kind. */
const MAX_NAMED = 64;
/** Requests that came lately, to tell what is only passed on. */
const MAX_ARRIVED = 32;
const MAX_NAME = 200;
/** A client that all requests go through says little: who calls it counts. */
const N_CALLERS = 3;
/** A package asks through clients that others made: its own frames lie far out. */
const N_FRAMES = 16;
/** A word of this length with letters and digits is more likely a key than a name. */
const SECRET_LENGTH = 20;

/** @typedef {'http' | 'file' | 'file.sync'} Kind */

/** One thing that is looked up. */
class Lookup {
  /** @param {Kind} kind @param {boolean} isPassedOn */
  constructor(kind, isPassedOn) {
    this.kind = kind;
    this.isPassedOn = isPassedOn;
    this.n = 0;
    /** What it is called once it has been asked for often. */
    this.name = '';
    /** @type {Counter | undefined} */
    this.counter = undefined;
    /** Status and tag or length of the last answer. */
    this.answer = '';
  }
}

class Lookups {
  /** @param {Tally} tally */
  constructor(tally) {
    this.tally = tally;
    /** @type {Map<string, Lookup>} by kind and what is asked for */
    this.seen = new Map();
    /** @type {Map<string, string>} what is called so */
    this.names = new Map();
    this.nNamed = { http: 0, file: 0, 'file.sync': 0 };
    /** @type {string[]} */
    this.arrived = [];
    this.other = {
      http: this.placed('lookup.other', 'http'),
      file: this.placed('lookup.other', 'file'),
      'file.sync': this.placed('lookup.other', 'file.sync'),
    };
    this.work = this.placed('lookup.other', 'http.work');
  }

  /** Returns a counter whose places tell callers apart. @param {string} kind @param {string} key */
  placed(kind, key) {
    const counter = this.tally.counter(kind, key);
    counter.nOwn = N_CALLERS;
    counter.nFrames = N_FRAMES;
    return counter;
  }

  /** A request for `url` has come to the target. @param {string} url */
  request(url) {
    const path = pathOf(url);
    if (this.arrived.includes(path)) return;
    if (this.arrived.length >= MAX_ARRIVED) this.arrived.shift();
    this.arrived.push(path);
  }

  /**
   * Counts a request that the target sends. Returns what it asks for, where it asks for something that could be kept.
   *
   * @param {string} method @param {string} host @param {string} path with its query
   */
  http(method, host, path) {
    if (!isQuestion(method, path)) return void this.tally.call(this.work);
    const isPassedOn = () => this.arrived.some((url) => isSamePath(url, pathOf(path)) || sharesId(url, pathOf(path)));
    return this.count('http', `${method} ${host}${path}`, isPassedOn, () => `${method} ${host}${withoutSecrets(path)}`);
  }

  /** Counts that a file is opened to be read. @param {string} path @param {boolean} isSync */
  file(path, isSync) {
    const isPassedOn = () => this.arrived.some((url) => lastOf(url) !== '' && lastOf(url) === lastOf(path));
    this.count(isSync ? 'file.sync' : 'file', path, isPassedOn, () => shortened(path));
  }

  /** Counts that a file is written that is read again and again. @param {string} path */
  written(path) {
    const name = this.seen.get(`file ${path}`)?.name || this.seen.get(`file.sync ${path}`)?.name;
    if (name) this.tally.add(this.tally.counter('lookup.written', name));
  }

  /** @param {Kind} kind @param {string} target @param {() => boolean} isPassedOn @param {() => string} nameOf */
  count(kind, target, isPassedOn, nameOf) {
    const key = `${kind} ${target}`;
    let lookup = this.seen.get(key);
    if (lookup === undefined) {
      if (this.seen.size >= MAX_SEEN) this.forgetRare();
      this.seen.set(key, (lookup = new Lookup(kind, isPassedOn())));
    }
    lookup.n += 1;
    if (lookup.n === AGAIN && !lookup.isPassedOn && this.nNamed[kind] < MAX_NAMED) {
      this.nNamed[kind] += 1;
      lookup.name = this.unique(nameOf().slice(0, MAX_NAME), key);
      lookup.counter = this.placed(`lookup.${kind}`, lookup.name);
    }
    this.tally.call(lookup.counter ?? this.other[kind]);
    return lookup;
  }

  /**
   * Counts an answer: `tag` and `length` are its ETag and content-length, where it has them.
   *
   * @param {Lookup} lookup @param {number} status @param {string} tag @param {string} length @param {number} ms
   */
  answered(lookup, status, tag, length, ms) {
    const { name } = lookup;
    const known = tag || length;
    const answer = `${status} ${known}`;
    const isOther = lookup.answer !== '' && lookup.answer !== answer;
    lookup.answer = answer;
    if (name === '') return;
    this.tally.add(this.tally.counter('lookup.answer', name), Number(length) || 0, ms);
    if (!known) this.tally.add(this.tally.counter('lookup.unknown', name));
    else if (isOther) this.tally.add(this.tally.counter('lookup.changed', name));
  }

  /** Two things whose names differ only in what is left out have a number. @param {string} name @param {string} key */
  unique(name, key) {
    let unique = name;
    for (let n = 2; this.names.has(unique) && this.names.get(unique) !== key; n++) unique = `${name} (${n})`;
    this.names.set(unique, key);
    return unique;
  }

  forgetRare() {
    for (const [key, lookup] of this.seen) {
      if (lookup.n < 2) this.seen.delete(key);
    }
    if (this.seen.size < MAX_SEEN) return;
    for (const [key, lookup] of this.seen) {
      if (!lookup.counter) this.seen.delete(key);
    }
  }
}

/** Last words of paths that ask who somebody is (RFC 6749, RFC 7662, OpenID Connect), in lower case without punctuation. */
const IDENTITY = new Set(['token', 'oauthtoken', 'accesstoken', 'refreshtoken', 'introspect', 'introspection', 'tokeninfo', 'userinfo']);

/**
 * Whether a request asks for something that may be the same the next time: what HTTP calls safe, and POSTs that ask who somebody
 * is. Any other POST is work, or changes something.
 *
 * @param {string} method @param {string} path
 */
function isQuestion(method, path) {
  if (method === 'GET' || method === 'HEAD') return true;
  return method === 'POST' && IDENTITY.has(lastOf(pathOf(path)).replace(/[^a-z]/gi, '').toLowerCase());
}

/** @param {string} url */
function pathOf(url) {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}

/** @param {string} path */
function lastOf(path) {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Whether a proxy could have made one of the other by taking off or putting on a prefix. @param {string} a @param {string} b */
function isSamePath(a, b) {
  return a.length > 1 && b.length > 1 && (a.endsWith(b) || b.endsWith(a));
}

/** Whether both name the same one of many: a part with a number in it that is no version. @param {string} a @param {string} b */
function sharesId(a, b) {
  const parts = b.split('/');
  return a.split('/').some((part) => /\d/.test(part) && !/^v\d/.test(part) && parts.includes(part));
}

/** @param {string} path */
function withoutSecrets(path) {
  const [before, query] = [pathOf(path), path.slice(pathOf(path).length + 1)];
  const parts = before.split('/').map((part) => (isSecret(part) ? '…' : part));
  const names = query === '' ? [] : query.split('&').map((pair) => (pair.includes('=') ? `${pair.slice(0, pair.indexOf('='))}=…` : '…'));
  return parts.join('/') + (names.length > 0 ? `?${names.join('&')}` : '');
}

/** A file of the project is named from its folder on. @param {string} path */
function shortened(path) {
  const folder = `${process.cwd()}/`;
  return path.startsWith(folder) ? path.slice(folder.length) : path;
}

/** @param {string} part */
function isSecret(part) {
  return part.length >= SECRET_LENGTH && /\d/.test(part) && /[a-z]/i.test(part);
}

module.exports = { Lookups, N_FRAMES };
