import { Injectable, NotFoundException, ServiceUnavailableException } from '@nestjs/common';
import { CacheflowService, type DeadLetter, RetryUnavailableError } from '../../lib';

/** What cacheflow gave up on, for a person to decide. */
@Injectable()
export class DeadLettersService {
  constructor(private readonly cacheflow: CacheflowService) {}

  /** None while they are out of reach, as they are until RabbitMQ has started. */
  async list(): Promise<DeadLetter[]> {
    try {
      return await this.cacheflow.deadLetters.list();
    } catch (error) {
      if (error instanceof RetryUnavailableError) return [];
      throw error;
    }
  }

  /** @throws NotFoundException, or ServiceUnavailableException while RabbitMQ is away */
  async requeue(id: string): Promise<void> {
    await oneFound(this.cacheflow.deadLetters.requeue(id));
  }

  /** @throws NotFoundException, or ServiceUnavailableException while RabbitMQ is away */
  async discard(id: string): Promise<void> {
    await oneFound(this.cacheflow.deadLetters.discard(id));
  }
}

async function oneFound(finding: Promise<number>): Promise<void> {
  const found = await finding.catch((error: unknown) => {
    if (!(error instanceof RetryUnavailableError)) throw error;
    throw new ServiceUnavailableException(error.message, { cause: error });
  });
  if (found === 0) throw new NotFoundException('There is no such dead letter, or it cannot be read');
}
