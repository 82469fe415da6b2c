/** Notes that concern the one who is logged in and were not read yet: the badge and the list share them. */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { belongings, type Mention } from '../api/belongings'
import { ApiError } from '../api/http'

export const useMentions = defineStore('mentions', () => {
  const unread = ref<Mention[]>([])
  const count = computed(() => unread.value.length)

  async function load(): Promise<void> {
    try {
      unread.value = (await belongings.mentions(false)).items
    } catch (error) {
      // The badge keeps what it knew; the next one who is told asks again.
      if (!(error instanceof ApiError)) throw error
    }
  }

  async function read(mention: Mention): Promise<void> {
    await belongings.readMention(mention.id)
    unread.value = unread.value.filter((one) => one.id !== mention.id)
  }

  return { unread, count, load, read }
})
