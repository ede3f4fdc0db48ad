export { freePort } from './free-port';
export { startMariadb } from './mariadb';
export { startMysql } from './mysql';
export { prepareServers } from './provide';
export { startRabbitmq } from './rabbitmq';
export { startRedis } from './redis';
export { cutOffReplicas, reconnectReplicas, revive } from './replication';
export { startRedisCluster } from './redis-cluster';
export type { RedisCluster } from './redis-cluster';
export { startRedisSentinel } from './redis-sentinel';
export type { RedisSentinel } from './redis-sentinel';
export type {
  RabbitMqServer,
  RabbitMqServerOptions,
  RedisEngine,
  RedisServer,
  RedisServerOptions,
  ServerHandle,
  ServerKind,
  SqlConnectionOptions,
  SqlServer,
  SqlServerOptions,
  TlsFiles,
} from './server-handle';
export { createTls } from './tls';
