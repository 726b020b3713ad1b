'use strict';
// The least that following asynchronous operations can cost: four empty hooks, for `--require`.
const none = () => {};
require('async_hooks').createHook({ init: none, before: none, after: none, promiseResolve: none }).enable();
