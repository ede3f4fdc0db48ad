/** Which kind of server the source is. */
export type Flavor = 'mysql' | 'mariadb';
