'use strict';
/** Takes the agent's files out of `require.cache`: the target shall find only its own modules there. */

const { sep } = require('path');

const OWN = __dirname + sep;

/** Call it after whatever loads a file of the agent. */
function hideFromRequireCache() {
  for (const file of Object.keys(require.cache)) {
    if (file.startsWith(OWN)) delete require.cache[file];
  }
}

module.exports = { hideFromRequireCache };
