/** Injection tokens of a source's own providers; each `forRoot` has its own. */
export const CACHEFLOW_NAME = Symbol('CACHEFLOW_NAME');
export const CACHEFLOW_CONFIG = Symbol('CACHEFLOW_CONFIG');

/** The `name` of a source that was given none. */
export const DEFAULT_NAME = 'default';
