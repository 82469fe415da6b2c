/** Notes that concern the one who is logged in and were not read yet: the badge and the list share them. */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { belongings, type Mention } from '../api/belongings'
import { ApiError } from '../api/http'

export const useMentions = defineStore('mentions', () => {
  const unread = ref<Mention[]>([])
  const count = computed(() => unread.value.length)
  /** Counts what makes answers that are still on their way old. */
  let turn = 0

  async function load(): Promise<void> {
    const mine = ++turn
    try {
      const { items } = await belongings.mentions(false)
      if (mine === turn) unread.value = items
    } catch (error) {
      // The badge keeps what it knew; the next one who is told asks again.
      if (!(error instanceof ApiError)) throw error
    }
  }

  async function read(mention: Mention): Promise<void> {
    await belongings.readMention(mention.id)
    turn += 1
    unread.value = unread.value.filter((one) => one.id !== mention.id)
  }

  return { unread, count, load, read }
})
