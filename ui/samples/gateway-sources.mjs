/** Code of the usual recording's hot functions, as the report carries it: excerpts with gaps between them. */

/** File under `src/` → first line and text of each excerpt. */
const EXCERPTS = {
  "prompt/rules.js": [
    [
      46,
      `
/**
 * Compiles one rule. A rule is a template with placeholders, \`{{name}}\`, and the patterns that
 * must match before it applies.
 */

function compileRule(rule, tenant) {
  const patterns = [];
  for (const source of rule.patterns) {
    const text = expand(source, tenant);
    // Patterns come from the tenant's configuration, so they are checked for catastrophic ones.
    patterns.push(new RegExp(text, "iu"));
    if (isCatastrophic(patterns.at(-1).source)) throw new RangeError(\`pattern is too slow: \${text}\`);
  }
  return { ...rule, patterns };
}`,
    ],
    [
      82,
      `
/**
 * Puts the rules that apply to a request into its prompt.
 *
 * @param {import("./types.js").ChatRequest} request
 */
export function renderRules(request, tenant, rules = loadRules(tenant)) {
  const started = performance.now();
  const messages = request.messages.map((message) => message.content ?? "");
  const text = messages.join("\\n").toLowerCase();

  const applied = [];
  for (const rule of rules) {
    const compiled = compileRule(rule, tenant);
    if (compiled.patterns.length === 0) continue;
    if (rule.model && rule.model !== request.model) continue;
    if (rule.after && Date.parse(rule.after) > Date.now()) continue;
    if (rule.before && Date.parse(rule.before) < Date.now()) continue;
    if (rule.tags && !rule.tags.some((tag) => request.metadata?.tags?.includes(tag))) continue;

    // Every pattern of a rule must match somewhere in the conversation.
    const matches = compiled.patterns.every((pattern) => pattern.test(text));
    if (matches) applied.push(compiled.template.replace(/\\{\\{\\s*(\\w+)\\s*\\}\\}/g, (_, name) => request.variables?.[name] ?? ""));
  }

  const rendered = applied.join("\\n\\n");
  metrics.rules.observe(performance.now() - started);

  return rendered === "" ? null : { role: "system", content: rendered };
}`,
    ],
  ],
  "routes/chat.js": [
    [
      21,
      `
/** \`POST /v1/chat/completions\` */

export async function handleChat(request, response, next) {
  const body = ChatRequest.parse(request.body);
  const tenant = request.tenant;

  const prompt = renderRules(body, tenant);
  const messages = prompt ? [prompt, ...body.messages] : body.messages;

  const tokens = countTokens(messages, body.model);`,
    ],
    [
      58,
      `
  response.writeHead(200, { "content-type": "text/event-stream" });
  relay(upstream, response).catch(next);
}`,
    ],
  ],
  "quota/store.js": [
    [
      28,
      `
/** What a key has used up today. */

export function loadQuota(key) {
  const quotas = JSON.parse(readFileSync(QUOTA_FILE, "utf8"));
  return quotas[key] ?? { used: 0, limit: DEFAULT_LIMIT };
}`,
    ],
  ],
};

/** Puts the excerpts into a profile that is being built; line 1 of each text is its first line. */
export function addSources(builder, directory) {
  for (const [file, excerpts] of Object.entries(EXCERPTS)) {
    for (const [firstLine, text] of excerpts) {
      const lines = text.split("\n").slice(1);
      builder.sources.push({ file: builder.text(`${directory}/src/${file}`), first_line: firstLine + 1, lines });
    }
  }
}
