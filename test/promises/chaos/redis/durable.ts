/** Loses up to a second when its machine fails, as most of them do. */
export const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'everysec'];
